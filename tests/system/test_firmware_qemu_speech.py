"""Five minutes of speech through the STM32F405's firmware in QEMU: to the byte what the gateway makes of them."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import numpy as np
import pytest
from boards import INJECT_SAMPLES, SECONDS
from gateway import RATE_HZ, heard
from qemu import QemuBoard

from edged.audio.sources import FileSource
from edged.classify.bundle import default_model, open_bundle
from edged.compiler.compiled import Source, compile_model
from edged.mcu import group
from edged.mcu.group import Injected

if TYPE_CHECKING:
    from pathlib import Path

    from boards import Link

    from edged.classify.bundle import Bundle
    from edged.mcu.group import Event
    from edged.records import Decision, Pcm

pytestmark = [pytest.mark.slow, pytest.mark.shared, pytest.mark.timeout(1500)]
MINUTES = 5
WORDS = ("computer", "smart_mirror", "view_glass")
"""wake-en's; of okay_nabu's there are no recordings, it is to take no notice."""
EACH_WORD = 10


def speech(shared: Path) -> Pcm:
    """Sentences, and among them words, as many as make the minutes; the same each time."""
    folder = shared / "data"
    words = [clip for word in WORDS for clip in sorted((folder / "wakewords" / word).iterdir())[::7][:EACH_WORD]]
    sentences = sorted((folder / "speech_negative/s2i").iterdir())[::3]
    order = [file for at, sentence in enumerate(sentences) for file in (sentence, *words[at : at + 1])]
    parts: list[Pcm] = []
    missing = MINUTES * 60 * RATE_HZ
    for file in order:
        chunks = list(FileSource(file).chunks())
        assert {chunk.rate_hz for chunk in chunks} == {RATE_HZ}
        parts += [chunk.samples[:, 0] for chunk in chunks]
        missing -= sum(len(chunk.samples) for chunk in chunks)
        if missing <= 0:
            break
    return np.concatenate(parts)[: MINUTES * 60 * RATE_HZ]


def named(model: str, shared: Path) -> Bundle:
    return default_model() if model == "wake-en" else open_bundle(shared / "models" / f"mww_v2_{model}.json")


def listened(link: Link, sound: Pcm) -> list[Injected]:
    """Have it heard, renewing the subscription meanwhile, as the gateway does."""
    link.ask(group.injection(on=True))
    answers = []
    for number, at in enumerate(range(0, len(sound), INJECT_SAMPLES)):
        if number % 500 == 0:
            link.subscribe()
        message = group.inject(sound[at : at + INJECT_SAMPLES].tobytes(), offset=at)
        answers.append(group.read(Injected, link.ask(message).body))
    link.ask(group.injection(on=False))
    return answers


def alike(event: Event, decision: Decision) -> bool:
    return (event.label, event.began, event.at) == (decision.label, decision.began, decision.at)


@pytest.mark.parametrize(("model", "least"), [("okay_nabu", 0), ("wake-en", 10)])
def test_five_minutes_are_heard_alike(model: str, least: int, shared: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bundle, sound = named(model, shared), speech(shared)
    assert len(sound) == MINUTES * 60 * RATE_HZ
    expected = heard(bundle, sound)
    with QemuBoard(datagrams=True) as board, board.open() as link:
        link.install(compile_model(Source(bundle.path, bundle.model, bundle)).data)
        began = time.monotonic()
        answers = listened(link, sound)
        took_s = time.monotonic() - began
        link.wait(lambda: len(link.events) >= len(expected.decisions), seconds=SECONDS)
        heartbeat = link.heartbeat()
    size = len(expected.outputs[0])
    outputs = b"".join(answer.outputs for answer in answers)
    found = [outputs[at : at + size] for at in range(0, len(outputs), size)]
    assert len(found) == len(expected.outputs)
    differing = sum(one != other for one, other in zip(found, expected.outputs, strict=True))
    fast = heard(bundle, sound, kernels="default")
    by_default = sum(one != other for one, other in zip(found, fast.outputs, strict=True))
    with capsys.disabled():
        print(  # noqa: T201 - what the test is run for
            f"\n{model}: {MINUTES} minutes in {took_s:.0f} s, {len(found)} windows; {differing} differ from the "
            f"reference kernels, {by_default} from the default ones; {len(link.events)} events, "
            f"{len(fast.decisions)} with the default kernels"
        )
    assert differing == 0
    assert (heartbeat.link_lost, heartbeat.link_bad, heartbeat.dropped) == (0, 0, 0)
    assert len(link.events) == len(expected.decisions) >= least
    assert all(alike(event, decision) for event, decision in zip(link.events, expected.decisions, strict=True))
