"""Calibration: a threshold for a room, and not a promise more than the hours heard allow."""

from __future__ import annotations

import json
import math
import tomllib
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from control_rig import serving
from hypothesis import given
from hypothesis import strategies as st
from nabu import NABU_PATH, nabu
from test_streams import dataset, tone

from edged import cli
from edged.classify.bundle import open_bundle
from edged.control.protocol import Request, audio
from edged.control.server import Peer, Verb
from edged.errors import ConfigError, SourceLost, Unavailable
from edged.records import Policy
from edged.workshop.calibrate import alarms_at, calibrate, cross_checked, policies_of, recalled, snippet
from edged.workshop.dataset import folds, read_dataset
from edged.workshop.poisson import garwood
from edged.workshop.room import listened
from edged.workshop.scoring import Recording, Scored, score_all

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping, Sequence
    from pathlib import Path

POLICIES = {"hey": Policy(threshold=0.5, refractory_s=1.0)}


def room(peaks: Sequence[float], *, hours: float) -> Scored:
    """So many hours, with a peak of each height, a minute apart, between scores of next to nothing."""
    windows = max(60 * len(peaks) + 2, 10)
    smoothed = np.full((windows, 1), 0.001)
    for number, peak in enumerate(peaks):
        smoothed[60 * number + 1] = peak
    return Scored(
        labels=("hey",),
        decided=("hey",),
        mean_of=(1,),
        values=smoothed.astype(np.float32),
        smoothed=smoothed,
        ends=np.arange(1, windows + 1),
        rate_hz=1,
        heard=round(hours * 3600),
    )


def test_the_lowest_threshold_whose_bound_keeps_to_the_budget() -> None:
    heard = room([0.9, 0.7, 0.6, 0.3, 0.2], hours=24)
    found = calibrate([[heard]], policies=POLICIES, alarms_per_day=6.5)
    # Two in a day exclude more than 6.30 a day, three only more than 7.75: two are allowed, and 0.6 is the third peak.
    assert (found.threshold, found.alarms) == (0.6, 2)
    assert found.vouched_per_day == pytest.approx(6.2958, abs=1e-3)
    assert found.promised
    assert found.hours_needed == pytest.approx(2.9957 / 6.5 * 24, rel=1e-4)


def test_it_promises_no_more_than_the_hours_allow() -> None:
    found = calibrate([[room([0.9, 0.7], hours=2)]], policies=POLICIES, alarms_per_day=1)
    assert not found.promised
    assert (found.threshold, found.alarms) == (0.9, 0)
    assert found.vouched_per_day == pytest.approx(2.9957 / 2 * 24, rel=1e-4)
    assert found.hours_needed == pytest.approx(71.9, abs=0.01)
    enough = calibrate([[room([0.9, 0.7], hours=72)]], policies=POLICIES, alarms_per_day=1)
    assert enough.promised


def test_scores_at_the_very_top_leave_no_threshold_but_the_last() -> None:
    found = calibrate([[room([1.0, 1.0], hours=2)]], policies=POLICIES, alarms_per_day=1)
    assert (found.threshold, found.alarms) == (1.0, 0)


def test_a_threshold_is_never_rounded_below_what_it_was_found_at() -> None:
    heard = [[room([1.0, 1.0, math.nextafter(0.02, 1)], hours=11)]]
    found = calibrate(heard, policies=POLICIES, alarms_per_day=14)
    assert (found.threshold, found.alarms) == (0.0201, 2)


@given(st.lists(st.floats(0.02, 1.0), max_size=12), st.floats(0.1, 100), st.floats(0.5, 100))
def test_what_is_vouched_for_is_the_bound_of_what_was_counted(
    peaks: list[float], hours: float, alarms_per_day: float
) -> None:
    heard = [[room(peaks, hours=hours)]]
    found = calibrate(heard, policies=POLICIES, alarms_per_day=alarms_per_day)
    assert found.alarms == alarms_at(found.threshold, heard, policies=POLICIES)
    assert found.vouched_per_day == pytest.approx(garwood(found.alarms, confidence=0.9)[1] / found.hours * 24)
    assert found.promised or found.alarms == 0
    lower = [peak for peak in {round(peak, 9) for peak in peaks} if peak < found.threshold - 1e-3]
    if found.promised and lower:
        more = alarms_at(max(lower) - 1e-9, heard, policies=POLICIES)
        assert garwood(more, confidence=0.9)[1] / found.hours * 24 > alarms_per_day


def test_labels_share_one_budget() -> None:
    both = room([0.9, 0.7], hours=24)
    twice = Scored(
        labels=("hey", "ho"),
        decided=("hey", "ho"),
        mean_of=(1, 1),
        values=np.repeat(both.values, 2, axis=1),
        smoothed=np.repeat(both.smoothed, 2, axis=1),
        ends=both.ends,
        rate_hz=1,
        heard=both.heard,
    )
    policies = {**POLICIES, "ho": Policy()}
    one = calibrate([[twice]], policies=POLICIES, alarms_per_day=5)
    two = calibrate([[twice]], policies=policies, alarms_per_day=5)
    assert (one.threshold, one.alarms) == (0.7, 1)
    assert (two.threshold, two.alarms) == (0.9, 0)


@pytest.mark.parametrize("rate", [0, -1, float("nan"), float("inf")])
def test_what_is_no_rate_is_refused(rate: float) -> None:
    with pytest.raises(ConfigError, match="is no rate"):
        calibrate([[room([0.9], hours=1)]], policies=POLICIES, alarms_per_day=rate)


def test_of_nothing_heard_nothing_is_said() -> None:
    with pytest.raises(ConfigError, match="nothing was heard"):
        calibrate([], policies=POLICIES, alarms_per_day=1)


def test_the_recall_it_costs() -> None:
    clips = [("hey", room([peak], hours=0.01)) for peak in (0.4, 0.6, 0.9)]
    assert recalled(clips, None, policies=POLICIES) == 2
    assert recalled(clips, 0.8, policies=POLICIES) == 1
    assert recalled(clips, 0.1, policies=POLICIES) == 3


def test_the_lines_for_the_config_are_toml_that_the_config_takes() -> None:
    policies = {"hey": Policy(threshold=0.9, release=0.8)}
    found = calibrate([[room([0.7], hours=240)]], policies=policies, alarms_per_day=1)
    told = tomllib.loads(snippet(found, name="kitchen", policies=policies))
    assert told == {"models": {"kitchen": {"policies": {"hey": {"threshold": 0.01, "release": 0.01}}}}}


def test_only_labels_that_the_model_reports_are_calibrated() -> None:
    bundle = nabu()
    assert list(policies_of(bundle)) == ["okay_nabu"]
    with pytest.raises(ConfigError, match=r"--label = 'okay_nabo'.*did you mean `okay_nabu`"):
        policies_of(bundle, ["okay_nabo"])


def test_each_part_is_held_against_the_others() -> None:
    parts = [[[room([0.5 + 0.01 * number, 0.2], hours=24)]] for number in range(5)]
    held = cross_checked(parts, policies=POLICIES, alarms_per_day=2)
    assert [each.calibration.alarms for each in held] == [3] * 5
    assert all(each.hours == 24 for each in held)
    assert [each.inside for each in held] == [True] * 5
    loud = [[[room([0.9] * 30, hours=24)]], *parts[1:]]
    assert not cross_checked(loud, policies=POLICIES, alarms_per_day=2)[0].inside


def test_the_command_writes_only_what_it_can_promise(
    okay_nabu: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model, lines = str(NABU_PATH), tmp_path / "lines.toml"
    typed = ["calibrate", model, "--audio", str(okay_nabu), "--jobs", "1", "--write", str(lines), "--alarms-per-day"]
    assert cli.main([*typed, "1"]) == 1
    said = capsys.readouterr().out
    assert "NOT promised; that needs 71.9 hours without an alarm, and 0.1 minutes were heard" in said
    assert "0 alarms at it, 2 at the model's own" in said
    assert not lines.exists()
    assert cli.main([*typed, "100000", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["promised"]
    assert told["alarms"] >= 2
    assert tomllib.loads(lines.read_text())["models"]["okay_nabu"]["policies"]["okay_nabu"] == {
        "threshold": told["threshold"]
    }


def verbs(*seconds: float) -> dict[str, Verb]:
    """A daemon whose source delivers stretches of so many seconds, of half a second a chunk, and then fails."""

    async def tap(_request: Request, _peer: Peer) -> AsyncIterator[Mapping[str, Any]]:
        for length in seconds:
            for number in range(round(2 * length)):
                yield audio(bytes(16_000), rate_hz=16_000, channels=1, ended_ns=0, fresh=number == 0)
        raise SourceLost("no such device")

    return {"tap": Verb(tap, "read", frozenset({"source"}))}


def test_a_room_is_listened_to_through_the_daemon(tmp_path: Path) -> None:
    heard: list[float] = []
    with serving(tmp_path / "socket", verbs(10)):
        shape: dict[str, Any] = {"socket": tmp_path / "socket", "source": "mic", "seconds": 5.2}
        (stretch,) = listened(nabu(), advanced=heard.append, **shape)
    assert stretch.seconds == 5.2
    assert len(stretch.ends) > 100
    assert heard[-1] == pytest.approx(5.2)


def test_where_the_audio_breaks_off_a_new_stretch_begins(tmp_path: Path) -> None:
    with serving(tmp_path / "socket", verbs(2, 10)):
        shape: dict[str, Any] = {"socket": tmp_path / "socket", "source": "mic", "seconds": 5.0}
        stretches = listened(nabu(), advanced=lambda _: None, **shape)
    assert [stretch.seconds for stretch in stretches] == [2.0, 2.0, 1.0]


def test_a_source_that_delivers_nothing_is_away(tmp_path: Path) -> None:
    with serving(tmp_path / "socket", verbs()), pytest.raises(Unavailable, match="no such device"):
        listened(nabu(), socket=tmp_path / "socket", source="mic", seconds=5, advanced=lambda _: None)


def test_the_command_holds_folds_against_each_other(
    okay_nabu: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    samples = np.concatenate(list(Recording(okay_nabu).blocks(16_000)))
    made = dataset(tmp_path / "room", [("_unknown_", str(group), samples) for group in range(3)])
    model = str(NABU_PATH)
    typed = ["calibrate", model, "--room", str(made), "--folds", "3", "--alarms-per-day", "100000", "--jobs", "1"]
    assert cli.main(typed) == 0
    said = capsys.readouterr().out
    assert said.count("within") == 4
    assert "3 of 3 folds within the interval predicted for them" in said
    words = dataset(tmp_path / "words", [("okay_nabu", "me", samples), ("beep", "me", tone(440))])
    assert cli.main([*typed, "--clips", str(words), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["recall"] == {"clips": 1, "own": 1, "calibrated": 1}
    assert cli.main([*typed[:5], "4", *typed[6:]]) == 2
    assert "there are 3 groups to deal out" in capsys.readouterr().err


@pytest.mark.shared
@pytest.mark.slow
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("name", ["alexa", "okay_nabu", "hey_mycroft"])
def test_the_fold_it_did_not_hear_is_as_it_said(shared: Path, name: str) -> None:
    """Five-fold by group over 44 minutes of speech: what comes lies within what was predicted, at least in four."""
    clips = [clip for clip in read_dataset(shared / "data").clips if "speech_negative" in clip.path.parts]
    dealt = folds(clips, k=5, seed=0)
    bundle = open_bundle(NABU_PATH.with_name(f"{name}.json"))
    groups: dict[tuple[str, str], list[Scored]] = {}
    for clip, scored in zip(clips, score_all(bundle, (Recording(clip.path) for clip in clips)), strict=True):
        groups.setdefault(clip.speaker, []).append(scored)
    parts = [[groups[speaker] for speaker, fold in dealt.items() if fold == k] for k in range(5)]
    for alarms_per_day in (100, 300, 500):
        held = cross_checked(parts, policies=bundle.policies, alarms_per_day=alarms_per_day)
        told = [(each.alarms, each.expected, each.calibration.threshold) for each in held]
        assert sum(each.inside for each in held) >= 4, (alarms_per_day, told)
        assert any(each.alarms for each in held), "a model that never fires proves nothing"
