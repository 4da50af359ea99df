"""Any sketch: what its lines mean, in any pieces and damaged; and a conversation with one on a pty."""

from __future__ import annotations

import asyncio
import json
import random
import re
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from ei_board import new_result, old_result
from hypothesis import given
from hypothesis import strategies as st
from serial_soup import pieces
from text_rig import Heard, Sketch, lines, until

from edged.errors import BoardAway
from edged.mcu import judge as judging
from edged.mcu.drivers import lines as spoken
from edged.mcu.judge import Hearing, Judge
from edged.mcu.lines import MAX_LABEL, Row, Scored, Timed, Told, read
from edged.mcu.textline import MAX_LINE_BYTES, Line, Noise, Splitter

if TYPE_CHECKING:
    from collections.abc import Callable

    from edged.mcu.board import BoardEvent

DOC = Path(__file__).parents[1] / "docs" / "BOARDS.md"

SCORES = {
    "dog: 0.93": {"dog": 0.93},
    "  dog:\t0.5": {"dog": 0.5},
    "dog:0.93": {"dog": 0.93},
    "dog = .5": {"dog": 0.5},
    "dog: 93%": {"dog": 0.93},
    "dog: 93.5 %": {"dog": 0.935},
    "hey jarvis: 1": {"hey jarvis": 1.0},
    "2: 0.91016": {"2": 0.91016},
    '"dog": 0.5': {"dog": 0.5},
    "tür_auf-2.b: 0.5": {"tür_auf-2.b": 0.5},
    "dog: 1e-5": {"dog": 1e-5},
    "dog: 0.93, cat: 0.02": {"dog": 0.93, "cat": 0.02},
    "dog:0.93,cat:0.02,": {"dog": 0.93, "cat": 0.02},
    "yes: 0.9 no: 0.1": {"yes": 0.9, "no": 0.1},
    "yes:0.9\tno:0.1": {"yes": 0.9, "no": 0.1},
    "yes: 0.9 | no: 0.1": {"yes": 0.9, "no": 0.1},
    "a=0.5;b=0.25": {"a": 0.5, "b": 0.25},
    "[a: 0.1, b: 0.9]": {"a": 0.1, "b": 0.9},
    "yes: 0.9, anomaly: 3.5": {"yes": 0.9},
    '{"dog": 0.93, "cat": 0.02}': {"dog": 0.93, "cat": 0.02},
    '{"label": "dog", "score": 0.93}': {"dog": 0.93},
    '{"Label": "dog", "Confidence": "0.93", "ms": 1234}': {"dog": 0.93},
    '{"label": "dog", "value": "93%"}': {"dog": 0.93},
    '{"label": "dog"}': {"dog": 1.0},
    '{"scores": {"dog": 0.93}, "ms": 1234}': {"dog": 0.93},
    '{"result": {"classification": {"dog": 0.9, "cat": 0.1}}, "success": true}': {"dog": 0.9, "cat": 0.1},
    '{"type": "inference-results", "classification": [{"label": "a", "value": 0.5}], "anomaly": 0.1}': {"a": 0.5},
    '[{"label": "a", "score": 0.5}, {"label": "b", "score": 0.25}]': {"a": 0.5, "b": 0.25},
}
TOLD = {
    '{"event": "dog"}': ("detection", "dog", 1.0, 0),
    '{"event": "dog", "score": 0.93}': ("detection", "dog", 0.93, 0),
    '{"event": true, "label": "dog", "score": 0.93}': ("detection", "dog", 0.93, 0),
    '{"event": "detected", "label": "dog"}': ("detection", "dog", 1.0, 0),
    '{"event": {"label": "dog", "score": 0.93}}': ("detection", "dog", 0.93, 0),
    '{"event": {"kind": "end", "label": "dog", "score": 0.3, "duration_ms": 2500}}': ("end", "dog", 0.3, 2500),
    '{"event": "start", "label": "siren", "score": 0.8}': ("start", "siren", 0.8, 0),
    '{"kind": "update", "label": "siren", "score": 0.8}': ("update", "siren", 0.8, 0),
    "Heard yes (204) @5012ms": ("detection", "yes", 0.8, 0),
    "Successful inference, heard no (255) @12ms": ("detection", "no", 1.0, 0),
    "Heard: go (51), Time: 12 ms": ("detection", "go", 0.2, 0),
}
TALK = (
    *("", "hello", "setup done", "temp: 21.5", "12:30:45 started", "dog: nan", "dog: 0.5.5", "dog: 0.5 V", "dog: -0.1"),
    *(
        "dog 0.93",
        ": 0.5",
        "Labels: 3",
        "free heap: 123456",
        "anomaly score: 0.5",
        "Anomaly prediction: 0.5",
        "x" * 4000,
    ),
    *('{"temp": 21.5}', '{"dog": 0.9, "ms": 1234}', '{"dog": true}', '{"dog": null}', "{}", "[]", "[1, 2]", '"dog"'),
    *('{"label": "dog", "score": 93}', '{"label": 7, "score": 0.9}', '{"label": "", "score": 0.9}', '{"dog": NaN}'),
    *('{"event": null}', '{"event": "start"}', '{"event": 3}', '{"event": {}}', '{"kind": "bark", "label": "dog"}'),
    *('{"event": "dog", "score": 2}', '{"event": "dog", "duration_ms": -1}', '{"event": {"event": "dog"}}', "[" * 4000),
    *(
        '{"a": ' + "9" * 4000 + "}",
        '{"a": 1e999}',
        f"{'x' * (MAX_LABEL + 1)}: 0.5",
        "rst:0x1 (POWERON_RESET),boot:0x13",
    ),
    *(
        "I (286) hello-world: Labels: 3",
        "load:0x3fff0030,len:1184",
        "Heard yes (256) @1ms",
        "dog: 0.9, cat",
        "dog:0.9:0.1",
    ),
)


@pytest.mark.parametrize("line", SCORES)
def test_scores(line: str) -> None:
    assert read(line) == Scored(SCORES[line])


@pytest.mark.parametrize("line", TOLD)
def test_events_that_the_sketch_decided(line: str) -> None:
    said = read(line)
    assert isinstance(said, Told)
    event = said.event
    assert (event.kind, event.label, event.score, event.duration_ms) == TOLD[line]
    assert (event.peak, event.mean) == (event.score, event.score)


@pytest.mark.parametrize("line", TALK, ids=range(len(TALK)))
def test_all_else_is_the_sketchs_own_talk(line: str) -> None:
    assert read(line) is None


def test_times_and_samples() -> None:
    assert read("Timing: DSP 140 ms, inference 4 ms, anomaly 0 ms") == Timed(140.0, 4.0)
    assert read("Predictions (DSP: 16 ms., Classification: 1 ms., Anomaly: 2 ms.): ") == Timed(16.0, 1.0)
    for row in ("0.12,-3.5,9.81", "1\t2\t3", "5", " 1 , 2 ;3,", "-1e-3"):
        assert read(row) == Row(), row


def test_the_users_page_is_true() -> None:
    """Each line of the table in docs/BOARDS.md means what stands beside it."""
    page = DOC.read_text(encoding="utf-8")
    table = page.partition("| what the sketch prints |")[2].partition("\n\n")[0]
    rows = re.findall(r"^\| `(.+?)` \| (\w+)", table, re.MULTILINE)
    assert len(rows) > 10
    kinds = {"score": Scored, "scores": Scored, "event": Told, "time": Timed, "samples": Row, "log": type(None)}
    for line, means in rows:
        assert isinstance(read(line.replace("\\|", "|")), kinds[means]), line


@pytest.mark.parametrize(
    "line",
    [
        *("a " * 2040, "a:" * 2040, "a: 0.5 " * 580, "[" * 2000 + "]" * 2000, "1" * 4000 + "x", "1 " * 2000 + "x"),
        *("a: 0." + "5" * 4000 + "x", '"' * 4000, "1e" * 2000, ("x" * 62 + " ") * 60 + ":"),
        *("heard " * 680, "{" + '"a":{' * 600, "0.5," * 1000 + "x", "\t" * 4000 + ":", "a" * 62 + " " * 4000 + ":"),
    ],
    ids=range(15),
)
def test_no_line_takes_long(line: str) -> None:
    """What grows faster than the line would be a way to stop the gateway."""
    began = time.process_time()
    for _ in range(10):
        read(line[:MAX_LINE_BYTES])
    assert time.process_time() - began < 2.0


@given(
    st.text(max_size=200) | st.from_regex(r"[a-c]{0,3}[:=] ?[0-9.e%+-]{0,8}([,; |]{1,2}[a-c:=0-9.\[\]{}\"]{0,12}){0,4}")
)
def test_no_text_raises(text: str) -> None:
    said = read(text)
    if isinstance(said, Scored):
        assert said.scores
        assert all(0 <= score <= 1 for score in said.scores.values())
        assert all(0 < len(label) <= MAX_LABEL and label.isprintable() for label in said.scores)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(["event", "kind", "label", "score", "scores", "result", "Event", "x"]), inner, max_size=4
        )
    ),
)


@given(JSON)
def test_no_json_raises(told: object) -> None:
    said = read(json.dumps(told))
    if isinstance(said, Told):
        assert 0 <= said.event.score <= 1


# Lines.


@given(st.binary(max_size=400), st.integers(0, 2**32))
def test_any_pieces_give_the_same_lines(data: bytes, seed: int) -> None:
    data = data.replace(b"\x00", b"\n").replace(b"\x01", b"> ")
    for prompt in (b"", b"> "):
        whole = Splitter(prompt=prompt).feed(data)
        splitter = Splitter(prompt=prompt)
        assert [each for piece in pieces(data, random.Random(seed)) for each in splitter.feed(piece)] == whole
        splitter = Splitter(prompt=prompt)
        assert [each for byte in data for each in splitter.feed(bytes([byte]))] == whole


def test_lines_are_clean() -> None:
    def only(data: bytes) -> Line | Noise:
        (found,) = Splitter().feed(data)
        assert isinstance(found, Line | Noise)
        return found

    assert only(b"\x1b[0;32mI (286) wifi: h\xc3\xb6rt\x1b[0m\r\n") == Line("I (286) wifi: hört")
    assert only(b"\rlabel:\t0.5\n") == Line("label:\t0.5")
    assert only(b"one \xff in many is no harm\n") == Line("one \ufffd in many is no harm")
    assert only(bytes(range(128, 188)) + b"\n") == Noise("bytes that are no text")
    assert only(b"\x00\x01\x02\n") == Noise("bytes that are no text")


def test_a_line_that_is_too_long_is_given_up_and_the_next_is_read() -> None:
    for length in (MAX_LINE_BYTES - 1, MAX_LINE_BYTES, MAX_LINE_BYTES + 1, 3 * MAX_LINE_BYTES):
        data = b"x" * length + b"\ndog: 0.5\n"
        whole = Splitter()
        found = whole.feed(data)
        assert isinstance(found[0], Line if length <= MAX_LINE_BYTES else Noise)
        assert found[1:] == [Line("dog: 0.5")]
        assert whole.dropped_bytes == (0 if length <= MAX_LINE_BYTES else length)
        for size in (1, 100, 4096):
            splitter = Splitter()
            assert [each for at in range(0, len(data), size) for each in splitter.feed(data[at : at + size])] == found
            assert splitter.dropped_bytes == whole.dropped_bytes


# Scores over time.

HEARS = Hearing(background=frozenset({"noise"}), threshold=0.6, refractory_s=0.0)


def decided(judge: Judge, *said: tuple[int, dict[str, float]]) -> list[tuple[int, str]]:
    return [(at_ms, event.label) for at_ms, scores in said for event in judge.scores(scores, at_ms=at_ms)]


def test_a_label_is_told_when_it_rises() -> None:
    judge = Judge(HEARS)
    assert decided(judge, (0, {"a": 0.6}), (1, {"a": 0.61}), (2, {"a": 0.9}), (3, {"a": 0.1}), (4, {"a": 0.7})) == [
        (1, "a"),
        (4, "a"),
    ]


def test_refractory_time_is_kept_label_by_label() -> None:
    judge = Judge(Hearing(threshold=0.5, refractory_s=1.0))
    said = [
        (at_ms, {"a": score, "b": score})
        for at_ms, score in ((0, 0.9), (500, 0.1), (900, 0.9), (950, 0.0), (1000, 0.9))
    ]
    assert decided(judge, *said) == [(0, "a"), (0, "b"), (1000, "a"), (1000, "b")]


def test_background_and_labels_that_are_not_wanted_make_nothing() -> None:
    told = read('{"event": "noise"}')
    assert isinstance(told, Told)
    assert Judge(HEARS).told(told.event) == []
    assert decided(Judge(HEARS), (0, {"noise": 1.0})) == []
    only = Judge(Hearing(labels=frozenset({"dog", "noise"}), background=frozenset({"cat"})))
    assert decided(only, (0, {"dog": 1.0, "battery": 1.0, "noise": 1.0, "cat": 1.0})) == [(0, "dog"), (0, "noise")]
    usual = {"_silence_": 1.0, "Unknown": 1.0, "_background_noise_": 1.0, "noise": 1.0, "z_openset": 1.0, "dog": 1.0}
    assert decided(Judge(Hearing()), (0, usual)) == [(0, "dog")]


def test_a_label_that_is_no_longer_mentioned_has_fallen() -> None:
    """A sketch that prints only what it hears."""
    assert decided(Judge(HEARS), (0, {"dog": 0.9}), (5000, {"dog": 0.9}), (6000, {"dog": 0.9})) == [
        (0, "dog"),
        (5000, "dog"),
    ]
    judge = Judge(HEARS, complete=True)
    assert decided(judge, (0, {"dog": 0.9}), (5000, {"dog": 0.9})) == [(0, "dog")], "said of all labels, every time"


def test_labels_that_are_made_up_do_not_fill_the_memory() -> None:
    judge = Judge(HEARS)
    decided(judge, *((at, {f"label {at}": 0.9}) for at in range(1000)))
    assert len(judge._tracks) == judging.MAX_LABELS
    assert judge.refused == 1000 - judging.MAX_LABELS


# A conversation.

BARKS = ("noise: 0.99", "noise: 0.5, dog: 0.7", "noise: 0.9, dog: 0.1", '{"event": "bell"}', "dog: 0.8", "noise: 0.99")


def told(heard: Heard) -> list[tuple[str, str, float]]:
    return [(event.kind, event.label, event.score) for event in heard.events]


def talked(*said: str, hearing: Hearing = HEARS, end: str = "\r\n") -> Heard:
    """What comes of a sketch that says this."""

    async def session() -> Heard:
        heard = Heard()
        with Sketch() as sketch:
            async with lines(sketch.path, heard, hearing):
                await sketch.print("boot", *said, "done", end=end)
                await until(lambda: "done" in heard.texts)
        return heard

    return asyncio.run(session())


def test_a_sketch_is_heard() -> None:
    heard = talked(*BARKS, "compiled by hand", end="\n")
    assert told(heard) == [("detection", "dog", 0.7), ("detection", "bell", 1.0), ("detection", "dog", 0.8)]
    assert all(event.arrived_ns and event.number is None for event in heard.events)
    assert heard.texts == ["compiled by hand", "done"]
    assert heard.signs == len(BARKS)
    assert heard.wrongs == []


@pytest.mark.parametrize("result", [old_result, new_result])
def test_an_edge_impulse_example_sketch_is_heard(result: Callable[..., str]) -> None:
    """It speaks no AT: it just prints."""
    quiet, loud = {"noise": 0.9, "yes": 0.1}, {"noise": 0.1, "yes": 0.9}
    text = "".join(result(each, anomaly=0.99) for each in (quiet, quiet, loud, loud, quiet, loud))
    heard = talked(*text.splitlines())
    assert told(heard) == [("detection", "yes", 0.9), ("detection", "yes", 0.9)]


def test_a_board_with_a_syntiant_chip_is_heard() -> None:
    """As edgeimpulse/firmware-arduino-nicla-voice prints a match: src/inference/ei_run_impulse.cpp."""

    def match(label: str) -> list[str]:
        labels = [f"    {each}: \t{int(each == label)}" for each in ("go", "stop", "z_openset")]
        return ["", "Match: 1", "Predictions:", *labels]

    heard = talked("\tInterval: 0.0625 ms.", *match("go"), *match("z_openset"), *match("stop"))
    assert told(heard) == [("detection", "go", 1.0), ("detection", "stop", 1.0)]


def test_who_it_is_and_how_it_is() -> None:
    async def session() -> None:
        heard = Heard()
        with Sketch() as sketch:
            async with lines(sketch.path, heard, HEARS) as driver:
                who = await driver.identify()
                assert (who.speaks, who.uid, who.board) == ("lines", "", "")
                assert (await driver.pulse()).inferences is None
                await sketch.print("boot", "Timing: DSP 140 ms, inference 4 ms, anomaly 0 ms", *BARKS)
                await until(lambda: len(heard.events) == 3)
                pulse = await driver.pulse()
                assert (pulse.features_ms, pulse.inference_ms, pulse.round_trip_ms) == (140.0, 4.0, None)
                assert pulse.inferences is not None
                with pytest.raises(BoardAway, match="no command"):
                    await driver.reset()
                await driver.hush()
                assert sketch.heard() == b"", "a sketch is told nothing"

    asyncio.run(session())


def test_the_line_in_whose_middle_we_came_is_left_out() -> None:
    async def session() -> None:
        heard = Heard()
        with Sketch() as sketch:
            async with lines(sketch.path, heard, HEARS):
                await sketch.print("g: 0.93", "dog: 0.93")
                await until(lambda: bool(heard.events))
            assert heard.labels == ["dog"]
        heard = Heard()
        with Sketch() as sketch:
            async with lines(sketch.path, heard, HEARS):
                await asyncio.sleep(2 * spoken.BETWEEN_S)
                await sketch.print('{"event": "bell"}')  # the only one in days
                await until(lambda: bool(heard.events))
            assert heard.labels == ["bell"]

    asyncio.run(session())


def test_what_is_said_before_we_listen_makes_no_event() -> None:
    async def session() -> None:
        heard = Heard()
        with Sketch() as sketch:
            async with lines(sketch.path, heard, HEARS) as driver:
                driver._listening = False
                await sketch.print("boot", "dog: 0.9", '{"event": "bell"}', "there")
                await until(lambda: "there" in heard.texts)
                assert heard.events == []
                await driver.listen()
                await sketch.print("dog: 0.9")
                await until(lambda: bool(heard.events))

    asyncio.run(session())


def test_garbage_and_ten_megabytes_without_a_newline_are_survived() -> None:
    async def session() -> None:
        heard = Heard()
        garbage = random.Random(2).randbytes(20_000).replace(b"\n", b"\xff\n")
        with Sketch() as sketch:
            async with lines(sketch.path, heard, HEARS) as driver:
                await sketch.print("boot", "dog: 0.9", "dog: 0.1")
                await sketch.send(garbage + b"\n")
                await until(lambda: driver._link.counts.bytes_in >= len(garbage))
                for _ in range(10_000_000 // 4096 + 1):  # as `take` gets it, without 25 s of a pty
                    driver.take(b"U" * 4096, 1)
                driver.take(b"\n", 1)
                await sketch.print("dog: 0.8", "done")
                await until(lambda: "done" in heard.texts)
                assert driver._splitter.dropped_bytes > 10_000_000
                assert driver._link.counts.bad == len(heard.wrongs) > 10
        assert heard.labels == ["dog", "dog"]
        assert set(heard.wrongs) == {"bytes that are no text", "a line that does not end"}

    asyncio.run(session())


def test_a_first_line_that_does_not_end_is_told() -> None:
    async def session() -> None:
        heard = Heard()
        with Sketch() as sketch:
            async with lines(sketch.path, heard, HEARS):
                await sketch.send(b"U" * 10_000)
                await until(lambda: heard.wrongs == ["a line that does not end"])
                await sketch.print("", "dog: 0.9")
                await until(lambda: heard.labels == ["dog"])

    asyncio.run(session())


def test_a_sketch_that_speaks_only_of_what_it_hears_may_be_silent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spoken, "SILENT_S", 0.1)
    monkeypatch.setattr(spoken, "STEADY_S", 0.1)

    async def session() -> None:
        heard = Heard()
        with Sketch() as sketch:
            async with lines(sketch.path, heard, HEARS) as driver:
                for _ in range(10):
                    await sketch.print("dog: 0.93", "booting")
                    await asyncio.sleep(0.02)
                await asyncio.sleep(0.2)
                await driver.pulse()

    asyncio.run(session())


def test_a_sketch_that_speaks_of_nothing_and_falls_silent_hangs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spoken, "SILENT_S", 0.3)
    monkeypatch.setattr(spoken, "STEADY_S", 0.1)

    async def session() -> None:
        heard = Heard()
        with Sketch() as sketch:
            async with lines(sketch.path, heard, HEARS) as driver:
                while not driver._steady:
                    await sketch.print("noise: 0.99", "dog: 0.01")
                    await asyncio.sleep(0.01)
                await driver.pulse()
                await asyncio.sleep(0.4)
                with pytest.raises(BoardAway, match="nothing has come for"):
                    await driver.pulse()
                await sketch.print("alive")
                await until(lambda: "alive" in heard.texts)
                await driver.pulse()
                await asyncio.sleep(0.4)
                await driver.identify()  # after a reset it may boot for a while
                await driver.pulse()

    asyncio.run(session())


def test_a_few_words_at_a_gap_make_no_steady_sketch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spoken, "GAP_S", 0.05)
    monkeypatch.setattr(spoken, "STEADY_S", 0.1)

    async def session() -> None:
        heard = Heard()
        with Sketch() as sketch:
            async with lines(sketch.path, heard, HEARS) as driver:
                for _ in range(4):
                    await sketch.print("noise: 0.99")
                    await asyncio.sleep(0.1)
                assert not driver._steady

    asyncio.run(session())


def test_a_key_in_a_sketchs_words_goes_nowhere() -> None:
    heard = talked("connecting, password: correct horse", "dog: 0.9")
    assert heard.texts == ["connecting, password: (redacted)", "done"]


def test_a_sketch_that_is_unplugged_ends_the_conversation() -> None:
    async def session() -> None:
        with Sketch() as sketch:
            async with lines(sketch.path, Heard()) as driver:
                reading = asyncio.all_tasks() - {asyncio.current_task()}
                sketch.unplug()
                done, _ = await asyncio.wait(reading, timeout=20, return_when=asyncio.FIRST_EXCEPTION)
                assert any(isinstance(task.exception(), BoardAway) for task in done)
                with pytest.raises(BoardAway, match="lost"):
                    await driver.pulse()
                with pytest.raises(BoardAway, match="lost"):
                    await driver.forward(60.0)

    asyncio.run(session())


# Any pieces, any damage.

STREAM = "\n".join((*BARKS, *SCORES, *TOLD, *TALK[:40], *BARKS)).encode() + b"\n"


def events(data: list[bytes]) -> list[BoardEvent]:
    splitter, judge = Splitter(), Judge(HEARS)
    made: list[BoardEvent] = []
    for number, found in enumerate(each for piece in data for each in splitter.feed(piece)):
        said = read(found.text) if isinstance(found, Line) else None
        if isinstance(said, Scored):
            made += judge.scores(said.scores, at_ms=number)
        elif isinstance(said, Told):
            made += judge.told(said.event)
    return made


@given(st.integers(0, 2**32))
def test_any_pieces_of_a_sketchs_words_give_the_same_events(seed: int) -> None:
    whole = events([STREAM])
    assert len(whole) > 20
    assert events(list(pieces(STREAM, random.Random(seed)))) == whole


@given(st.binary(max_size=3000), st.integers(0, len(STREAM)), st.integers(0, 200))
def test_whatever_comes_never_raises_and_the_next_line_is_read(garbage: bytes, begins: int, lost: int) -> None:
    damaged = STREAM[:begins] + garbage + STREAM[begins + lost :]
    assert events([damaged]) == events([damaged[:77], damaged[77:]])
    assert events([damaged + b'\n{"event": "last"}\n'])[-1].label == "last"
