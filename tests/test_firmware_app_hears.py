"""The host board hears what the gateway hears: the same outputs, byte for byte, and the same decisions."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import pytest
from boards import HostBoard, Link
from gateway import PAUSE, RATE_HZ, heard, words
from nabu import NABU_PATH, nabu
from speech import write_wav

from edged.classify.bundle import default_model, open_bundle
from edged.compiler.compiled import Source, compile_model
from edged.mcu import group
from edged.mcu.group import Error, Kind

if TYPE_CHECKING:
    from pathlib import Path

    from edged.records import Pcm

pytest_plugins = ("board_fixtures",)
NABU = "okay_nabu"
SPEED = 8
FAST = ("--speed", str(SPEED), "--watchdog-ms", "0")
"""A busy machine must not be a board that hangs."""


@pytest.mark.parametrize("model", ["okay_nabu", "wake-en"])
def test_hears_what_the_gateway_hears(model: str, board: HostBoard, request: pytest.FixtureRequest) -> None:
    bundle = nabu() if model == "okay_nabu" else default_model()
    phrases = [("okay nabu", "en-us"), ("computer", "en-us"), ("okay nabu", "en-gb"), ("smart mirror", "en-us")]
    spoken = words(board.folder, *phrases, ("view glass", "en-us"))
    noise = np.random.default_rng(4).normal(0, 3000, 2 * RATE_HZ).astype(np.int16)
    samples = np.concatenate([spoken, noise, np.array([32767, -32768], np.int16).repeat(800)])
    expected = heard(bundle, samples)
    with board.open() as link:
        link.install(request.getfixturevalue("plan" if model == "okay_nabu" else "other_plan"))
        link.subscribe()
        answers = link.inject(samples.tobytes(), piece=500)
        link.wait(lambda: len(link.events) == len(expected.decisions))
    assert sum(answer.runs for answer in answers) == len(expected.outputs) > 400
    assert b"".join(answer.outputs for answer in answers) == b"".join(expected.outputs)
    for event, decision in zip(link.events, expected.decisions, strict=True):
        assert (event.kind, event.label) == (Kind.DETECTION, decision.label)
        assert (event.began, event.at) == (decision.began, decision.at)
        assert event.score == math.floor(decision.score * 65536 + 0.5) / 65536
        assert event.model.hex() == bundle.sha256[:16]
    assert len(link.events) >= 2


def test_a_sound_has_a_start_updates_and_an_end(board: HostBoard, sound: Pcm) -> None:
    """As the gateway has them; and what is on when the stream breaks ends with it."""
    bundle = open_bundle(NABU_PATH, policy={"kind": "sound", "threshold": 0.5, "update_s": 0.05, "min_s": 0.0})
    cut = sound[: 2 * RATE_HZ + RATE_HZ // 8]
    expected = heard(bundle, sound).decisions
    broken = [decision for decision in expected if decision.at <= len(cut)]
    with board.open() as link:
        link.install(compile_model(Source(NABU_PATH, bundle.model, bundle)).data)
        link.inject(sound.tobytes())
        link.inject(cut.tobytes())
        link.subscribe()
        link.wait(lambda: link.heartbeat().first == link.hello().next)
    found = [(event.kind.name.lower(), event.began, event.at, event.peak >= event.mean) for event in link.events]
    kinds = [decision.kind for decision in expected]
    assert kinds == ["start", *["update"] * (len(kinds) - 2), "end"]
    assert len(kinds) > 3
    assert [decision.kind for decision in broken][-1] != "end"
    end = ("end", expected[0].began, len(cut), True)
    assert found == [(each.kind, each.began, each.at, True) for each in (*expected, *broken)] + [end]


def test_how_sound_is_cut_does_not_show(link: Link, sound: Pcm) -> None:
    whole = link.inject(sound.tobytes())
    cut = link.inject(sound.tobytes(), piece=37)
    assert b"".join(answer.outputs for answer in whole) == b"".join(answer.outputs for answer in cut)


def test_hears_through_its_microphone(tmp_path: Path, plan: bytes, sound: Pcm) -> None:
    """The word, until it is heard. The index is that of the board's clock, so only the word is compared."""
    folder = tmp_path / "board"
    folder.mkdir()
    wav = write_wav(tmp_path / "nabu.wav", np.tile(sound, 20), rate_hz=RATE_HZ)
    with HostBoard(folder, ("--wav", str(wav), "--speed", "4")) as board, board.open() as link:
        link.install(plan)
        link.subscribe()
        link.wait(lambda: bool(link.events))
        heartbeat = link.heartbeat()
    event = link.events[0]
    assert event.label == NABU
    assert event.at <= heartbeat.heard + heartbeat.missed
    assert abs(event.at / 16 - event.at_ms) < 2000
    assert heartbeat.runs > 20


def test_a_gap_breaks_the_stream_and_not_the_clock(tmp_path: Path, plan: bytes) -> None:
    with HostBoard(tmp_path, ("--silence", "--erase-ms", "700")) as board, board.open() as link:
        link.install(plan)
        before = link.heartbeat()
        link.listen(0.5)
        after = link.heartbeat()
    assert before.missed > 0
    for heartbeat in (before, after):
        assert abs((heartbeat.heard + heartbeat.missed) / 16 - heartbeat.up_ms) < 1000
    assert after.heard > before.heard


# ---- injection ----


def test_injection_goes_on_only_where_it_was(link: Link, sound: Pcm) -> None:
    piece = sound[:160].tobytes()
    off = link.refusal(group.inject(piece, offset=0))
    assert (off.rc, off.reason) == (Error.INVALID, "injection is not on")
    link.ask(group.injection(on=True))
    link.ask(group.inject(piece, offset=0))
    assert link.refusal(group.inject(piece, offset=0)).rc == Error.OFFSET
    assert link.refusal(group.inject(piece, offset=161)).rc == Error.OFFSET
    link.ask(group.inject(piece, offset=160))
    link.ask(group.injection(on=True))
    link.ask(group.inject(piece, offset=0))


def test_the_microphone_is_off_meanwhile(tmp_path: Path, plan: bytes, sound: Pcm) -> None:
    folder = tmp_path / "board"
    folder.mkdir()
    wav = write_wav(tmp_path / "nabu.wav", np.concatenate([np.tile(PAUSE, 24), sound]), rate_hz=RATE_HZ)
    with HostBoard(folder, ("--wav", str(wav), *FAST)) as board, board.open() as link:
        link.install(plan)
        link.ask(group.injection(on=True))
        began = link.heartbeat()
        assert began.up_ms < 24_000
        assert began.state == "injected"
        offset = 0
        while (injected := link.heartbeat()).up_ms < (24 + 4) * 1000:
            link.ask(group.inject(bytes(2), offset=offset))
            offset += 1
            link.listen(0.05)
        link.ask(group.injection(on=False))
        assert link.hello().next == 1
        assert link.heartbeat().state == "listening"
    assert injected.heard - began.heard < 2 * RATE_HZ  # of more than four seconds


def test_injection_ends_with_the_sound(tmp_path: Path, plan: bytes) -> None:
    """Whoever injected may have died: 10 s without sound, and the microphone is on again."""
    with HostBoard(tmp_path, ("--silence", *FAST)) as board, board.open() as link:
        link.install(plan)
        link.ask(group.injection(on=True))
        for offset in range(3):
            link.listen(6 / SPEED)
            link.ask(group.inject(bytes(2), offset=offset))
        link.listen(11 / SPEED)
        assert link.heartbeat().state == "listening"
        assert link.refusal(group.inject(bytes(2), offset=0)).rc == Error.INVALID


def test_without_a_model_nothing_is_injected(board: HostBoard) -> None:
    with board.open() as link:
        assert link.refusal(group.injection(on=True)).rc == Error.NO_MODEL
        assert link.refusal(group.selftest()).rc == Error.NO_MODEL
