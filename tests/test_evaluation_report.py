"""The report: one file, the same bytes each time, that needs nothing and hides nothing; rendered in a real browser."""

from __future__ import annotations

import re
import shutil
import subprocess
from dataclasses import replace
from html.parser import HTMLParser
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

import pytest

from edged import cli
from edged.errors import UserError
from edged.workshop.report import report
from edged.workshop.results import ClipResult, Counts, Evaluation, Excerpt, Facts, Point, StreamResult
from edged.workshop.results_file import to_json
from edged.workshop.summary import number, percent, rate_in_words

if TYPE_CHECKING:
    from pathlib import Path

LABELS = ("jarvis", "smart_mirror")


def excerpt(label: str, score: float, *, said: str) -> Excerpt:
    times = tuple(round(30 + 0.1 * step, 2) for step in range(40))
    scores = tuple(round(max(0.0, score - 0.02 * abs(step - 20)), 3) for step in range(40))
    return Excerpt("woven 1", label, 32.0, score, 0.8, said, times, scores)


def stream(snr_db: float | None, *, hits: int, alarms: int) -> StreamResult:
    counts = {"jarvis": Counts(100, hits, 1, alarms), "smart_mirror": Counts(100, 97, 0, 0)}
    return StreamResult(
        snr_db=snr_db,
        seconds=5400.0,
        counts=counts,
        latencies_s={"jarvis": tuple(0.01 * step for step in range(hits)), "smart_mirror": (0.2, 0.3)},
        said={"jarvis": (100, 0), "<b>jar of ice</b>": (40, alarms)},
        det=tuple(Point(step / 20, 10 * step, max(0, 30 - 2 * step)) for step in range(1, 20)),
        misses=tuple(excerpt("jarvis", 0.1 * step, said="jarvis") for step in range(1, 4)),
        alarms=tuple(excerpt("jarvis", 0.9, said="<b>jar of ice</b>") for _ in range(alarms)),
    )


@pytest.fixture
def found() -> Evaluation:
    clean = {"jarvis": {"jarvis": 98, "other": 2}, "smart_mirror": {"smart_mirror": 100}, "other": {"other": 300}}
    noisy = {"jarvis": {"jarvis": 80, "smart_mirror": 3, "other": 17}, "other": {"other": 298, "jarvis": 2}}
    return Evaluation(
        models=(Facts("wake-en", "ab" * 32, 51234, dict.fromkeys(LABELS, 0.8)),),
        clips=(ClipResult(None, clean, {"s2i": (300, 0)}), ClipResult(0.0, noisy, {"s2i": (300, 2)})),
        streams=(stream(None, hits=98, alarms=0), stream(10.0, hits=91, alarms=3)),
    )


class Page(HTMLParser):
    """What a browser would be asked to fetch or run, and which elements are left open."""

    VOID = frozenset({"meta", "br", "link"})

    def __init__(self, text: str) -> None:
        super().__init__()
        self.wanted: list[str] = []
        self.text = ""
        self.open: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in self.VOID:
            self.open.append(tag)
        if tag in {"script", "link", "iframe", "img", "object", "embed", "image", "base"}:
            self.wanted.append(tag)
        for name, value in attrs:
            if name.startswith("on") or (name in {"href", "xlink:href", "src"} and not (value or "").startswith("#")):
                self.wanted.append(f"{tag} {name}={value}")

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in self.VOID:
            self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open[-1:] != ["style"]:
            self.text += data


def test_the_same_results_are_the_same_bytes(found: Evaluation) -> None:
    page = report(found)
    assert page == report(found)
    assert page != report(replace(found, streams=found.streams[:1]))


def test_it_asks_for_nothing_and_runs_nothing(found: Evaluation) -> None:
    page = report(found)
    parsed = Page(page)
    assert parsed.wanted == []
    assert parsed.open == []
    assert "default-src 'none'" in page
    urls = set(re.findall(r"https?://[^\"'\s<]+", page))
    assert urls <= {"http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink"}  # names of XML, which nobody fetches
    assert "url(" not in re.sub(r"url\(#\w+\)", "", page)
    assert not re.search(r"\b20\d\d-\d\d-\d\d", page)


def test_what_was_said_is_text_not_markup(found: Evaluation) -> None:
    page = report(found)
    assert "<b>" not in page
    assert "<b>jar of ice</b>" in Page(page).text


def test_every_picture_is_whole_and_no_identifier_is_used_for_two_things(found: Evaluation) -> None:
    page = report(found)
    pictures = re.findall(r"<svg.*?</svg>", page, re.DOTALL)
    assert len(pictures) == 2 + 3 + 2  # curve and latencies; misses twice and alarms; two matrices
    for picture in pictures:
        tree = ET.fromstring(picture)  # noqa: S314 - we wrote it ourselves
        assert {element.tag.rpartition("}")[2] for element in tree.iter()}.isdisjoint({"image", "script"})
    clips = re.findall(r'<clipPath id="(\w+)">(.*?)</clipPath>', page, re.DOTALL)
    assert len(dict(clips)) == len(set(clips))


def test_it_says_the_numbers_with_what_the_hours_allow(found: Evaluation) -> None:
    text = " ".join(Page(report(found)).text.split())
    for said in (
        "97.5 % (95 % interval 94.3 to 98.9) of 200 events recognised; 1 told twice",
        "none in 90.0 minutes, so at most 2 an hour (95 % upper bound)",
        "3 in 90.0 minutes, 2 an hour (95 % interval 0.412 to 5.84)",
        "500 clips, no noise added: 99.6 %",
        "51,234",
        "ab" * 32,
        "3.0 hours of continuous sound and 900 clips",
        "The worst misses, 10 dB",
        "The worst false alarms, 10 dB",
    ):
        assert said in text, said


def test_clips_alone_or_streams_alone_make_a_page_too(found: Evaluation) -> None:
    assert Page(report(replace(found, clips=()))).open == []
    assert Page(report(replace(found, streams=()))).open == []
    silent = StreamResult(None, 60.0, {"a": Counts()}, {"a": ()}, {}, ())
    assert "none in 1.0 minutes" in report(replace(found, clips=(), streams=(silent,)))


def test_a_share_is_never_rounded_to_all_or_nothing() -> None:
    assert percent(0.9999) == "> 99.9 %"
    assert percent(0.0001) == "< 0.1 %"
    assert percent(1.0) == "100.0 %"
    assert number(1234.5) == "1234"
    assert "at most 3 an hour" in rate_in_words(0, 1.0)


def test_without_matplotlib_it_says_how_to_get_it(found: Evaluation, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    with pytest.raises(UserError, match=r"needs matplotlib") as caught:
        report(found)
    assert "pip install 'edged[report]'" in str(caught.value)


def test_the_command_writes_it_whole_or_not_at_all(found: Evaluation, tmp_path: Path) -> None:
    kept, page = tmp_path / "kept.json", tmp_path / "report.html"
    kept.write_text(to_json(found))
    assert cli.main(["evaluate", "--merge", str(kept), "--report", str(page)]) == 0
    assert page.read_text() == report(found)
    assert cli.main(["evaluate", "--merge", str(kept), "--report", str(tmp_path / "no" / "report.html")]) == 2
    assert sorted(each.name for each in tmp_path.iterdir()) == ["kept.json", "report.html"]


@pytest.mark.slow
def test_a_real_browser_shows_it(found: Evaluation, tmp_path: Path) -> None:
    """The picture is neither blank nor cut off: there is ink in every tenth of the page's height."""
    browser = shutil.which("chromium")
    if browser is None:
        pytest.skip("needs Debian's chromium: packaging/apt-test.txt")
    page, picture, height = tmp_path / "report.html", tmp_path / "report.png", 5200
    page.write_text(report(found))
    quiet = ["--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"]
    quiet += ["--disable-component-update", "--disable-sync", "--hide-scrollbars", f"--user-data-dir={tmp_path / 'u'}"]
    shot = [f"--screenshot={picture}", f"--window-size=1100,{height}", page.as_uri()]
    run = subprocess.run([browser, *quiet, *shot], capture_output=True, text=True, timeout=120, check=True)
    assert "Refused to" not in run.stderr  # what the page's own policy would have stopped
    from matplotlib.image import imread  # noqa: PLC0415 - reads a PNG; the report's extra is needed here anyway

    pixels = imread(picture)[:, :, :3]
    assert pixels.shape[:2] == (height, 1100)
    dark = (pixels.min(axis=2) < 0.6).mean(axis=1)
    last = int(dark.nonzero()[0].max())
    assert 3000 < last < height - 20
    for tenth in range(10):
        assert dark[last * tenth // 10 : last * (tenth + 1) // 10].mean() > 0.003
    wide = (pixels.min(axis=2) < 0.6).mean(axis=0)
    assert wide[-20:].max() == 0  # nothing runs out of the page
