"""A board's answers beside the gateway's: what is equal is said to be, nothing else; and what a recording lacks."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from gateway import heard
from nabu import nabu
from speech import write_wav

from edged.classify.bundle import default_model
from edged.commands.board_record import Recording
from edged.compiler.blob import read_plan
from edged.workshop.beside import Heard, compare, hear, read_sound

if TYPE_CHECKING:
    from pathlib import Path

    from edged.records import Pcm

pytest_plugins = ("board_fixtures",)


def events(found: Heard) -> list[dict[str, Any]]:
    return [
        {
            "kind": each.kind,
            "label": each.label,
            "began_sample": each.began,
            "score": math.floor(each.score * 65536 + 0.5) / 65536,
        }
        for each in found.decisions
    ]


@pytest.mark.parametrize("model", ["okay_nabu", "wake-en"])
def test_the_gateways_side_is_what_its_lane_says(model: str, sound: Pcm, plan: bytes, other_plan: bytes) -> None:
    bundle = nabu() if model == "okay_nabu" else default_model()
    data = plan if model == "okay_nabu" else other_plan
    found = hear(bundle, sound, output=read_plan(data).network.output)
    expected = heard(bundle, sound)
    assert list(found.outputs) == expected.outputs
    assert list(found.decisions) == expected.decisions


def test_only_what_is_equal_is_said_to_be(sound: Pcm, plan: bytes) -> None:
    found = hear(nabu(), sound, output=read_plan(plan).network.output)
    outputs, said = b"".join(found.outputs), events(found)
    whole = compare(found, outputs, said)
    assert whole.equal
    assert (whole.agree, whole.first_difference, whole.same_events) == (whole.windows, None, len(said))
    at = len(outputs) // 2
    other = bytearray(outputs)
    other[at] ^= 1
    changed = compare(found, bytes(other), said)
    assert not changed.equal
    assert changed.agree == whole.windows - 1
    assert changed.first_difference == at // len(found.outputs[0])
    short = compare(found, outputs[:-1], said)
    assert (short.agree, short.equal) == (whole.windows - 1, False)
    longer = compare(found, outputs + outputs[:1], said)
    assert (longer.windows, longer.agree, longer.equal) == (whole.windows + 1, whole.windows, False)
    assert longer.first_difference == whole.windows
    for wrong in (
        [],
        said * 2,
        [said[0] | {"label": "jarvis"}],
        [said[0] | {"score": said[0]["score"] + 1 / 65536}],
        [said[0] | {"began_sample": said[0]["began_sample"] + 1}],
        [said[0] | {"kind": "start"}],
    ):
        assert not compare(found, outputs, wrong).equal


def test_silence_of_no_length_is_compared_as_well(plan: bytes) -> None:
    found = hear(nabu(), np.zeros(0, np.int16), output=read_plan(plan).network.output)
    assert compare(found, b"", []).equal
    assert not compare(found, b"x", []).equal


def test_recordings_of_any_rate_become_what_boards_hear(tmp_path: Path) -> None:
    tone = (8000 * np.sin(np.arange(44_100) * 0.05)).astype(np.int16)
    assert abs(len(read_sound(write_wav(tmp_path / "cd.wav", tone, rate_hz=44_100))) - 16_000) < 20
    same = read_sound(write_wav(tmp_path / "same.wav", tone, rate_hz=16_000))
    assert np.array_equal(same, tone)


def test_a_gap_ends_a_stretch_and_is_counted() -> None:
    recording = Recording()
    recording.take(100, b"")
    assert (recording.stretches, recording.lost_s) == ([], 0)
    recording.take(100, bytes(2 * 16_000))
    recording.take(16_100, bytes(2 * 8_000))
    assert len(recording.stretches) == 1
    assert recording.lost_s == 0
    recording.take(40_100, bytes(2 * 16_000))
    assert [(first, len(samples) // 2) for first, samples in recording.stretches] == [(100, 24_000), (40_100, 16_000)]
    assert recording.lost_s == 1.0
    assert recording.gaps == 1


def test_what_is_lost_at_the_beginning_counts() -> None:
    recording = Recording()
    recording.take(0, b"")
    recording.take(8_000, bytes(2 * 8_000))
    assert recording.lost_s == 0.5
    assert recording.gaps == 1
