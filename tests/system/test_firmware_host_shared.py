"""The host board hears shared recordings, a minute of each kind, to the byte as the gateway does: five models."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from gateway import RATE_HZ, at_16_khz, heard

from edged.audio.sources import FileSource
from edged.classify.bundle import Bundle, default_model, open_bundle
from edged.compiler.compiled import Source, compile_model
from edged.features.spec import Micro

if TYPE_CHECKING:
    from pathlib import Path

    from boards import HostBoard

    from edged.records import Pcm

pytestmark = [pytest.mark.slow, pytest.mark.shared]
pytest_plugins = ("board_fixtures",)
SECONDS_OF_EACH = 60
KINDS = (
    "wakewords/alexa",
    "wakewords/computer",
    "speech_negative/s2i",
    "esc10/dog_bark",
    "esc10/rain",
    "noise",
    "fsdd",
)


def samples_of(file: Path) -> Pcm:
    """A recording's first channel, at 16 kHz."""
    chunks = list(FileSource(file).chunks())
    return at_16_khz(np.concatenate([chunk.samples[:, 0] for chunk in chunks]), rate_hz=chunks[0].rate_hz)


def recordings(folder: Path) -> Pcm:
    """The first files of a folder that make a minute, at 16 kHz."""
    parts: list[Pcm] = []
    for file in sorted(path for path in folder.rglob("*") if path.suffix in {".wav", ".flac", ".ogg"}):
        parts.append(samples_of(file))
        if sum(map(len, parts)) > SECONDS_OF_EACH * RATE_HZ:
            break
    return np.concatenate(parts)[: SECONDS_OF_EACH * RATE_HZ]


def bundle_of(model: str, shared: Path) -> Bundle:
    match model:
        case "wake-en":
            return default_model()
        case "micro_speech":
            return open_bundle(
                shared / "models/micro_speech_quantized.tflite", labels=["silence", "unknown", "yes", "no"],
                front_end=Micro(every=2), hop_frames=1, policy={"threshold": 0.8},
            )  # fmt: skip
    return open_bundle(shared / "models" / f"mww_v2_{model}.json")


@pytest.mark.parametrize("model", ["wake-en", "okay_nabu", "hey_jarvis", "vad", "micro_speech"])
def test_hears_recordings_as_the_gateway_does(model: str, shared: Path, board: HostBoard) -> None:
    bundle = bundle_of(model, shared)
    plan = compile_model(Source(bundle.path, bundle.model, bundle)).data
    sounds = [recordings(shared / "data" / kind) for kind in KINDS]
    sounds += [samples_of(file) for file in sorted((shared / "models/wav").glob("*.wav"))]
    with board.open() as link:
        link.install(plan)
        for sound in sounds:
            expected = heard(bundle, sound)
            link.events.clear()
            link.subscribe()
            answers = link.inject(sound.tobytes())
            link.wait(lambda: link.heartbeat().first == link.hello().next)
            found = [(event.kind.name.lower(), event.label, event.at) for event in link.events]
            assert b"".join(answer.outputs for answer in answers) == b"".join(expected.outputs)
            assert found == [(decision.kind, decision.label, decision.at) for decision in expected.decisions]
        assert link.heartbeat().dropped == 0
