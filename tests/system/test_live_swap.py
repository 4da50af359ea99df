"""Fifty models for one that runs, ten of them broken, under live sound: every window is classified once.

Each model here answers the same to whatever it hears, and reports each window: what a subscriber gets tells which
window was heard by which version, by sample index.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from broker import Broker, eventually
from failing import MODEL as FAILING
from nabu import nabu
from system.asking import await_source, drained, vitals
from system.daemon import Daemon, events, file_source, model, settings
from system.sound import RATE_HZ, write_wav

from edged.classify.bundle import write_bundle
from edged.classify.head import Head
from edged.control.client import call
from edged.errors import EdgedError
from edged.features.spec import Micro
from edged.records import Policy

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

SWAPS = 50
BROKEN_EVERY = 5
STEP = 480
"""Samples from one window to the next: three frames of 10 ms."""
FIRST = 480 + 2 * 160
"""Where the first window ends."""
INSTALL_S = 30.0
SOUND_S = 60


def good(path: Path, version: str, **changes: Any) -> Path:
    """A bundle that is always on."""
    whole: dict[str, Any] = {
        "model": nabu().model,
        "name": "word",
        "version": version,
        "labels": ["on"],
        "front_end": Micro(),
        "window_frames": 3,
        "hop_frames": 3,
        "output": "sigmoid",
        "head": Head([[0.0]], [4.0]),
        "policy": Policy(kind="sound", threshold=0.5, update_s=0.001),
        "golden": True,
    }
    write_bundle(path, **(whole | changes))
    return path


def edited(path: Path, change: Callable[[dict[str, Any]], object]) -> Path:
    file = path / "manifest.json"
    told = json.loads(file.read_text())
    change(told)
    file.write_text(json.dumps(told))
    return path


def truncated(path: Path) -> Path:
    packed = good(path.with_suffix(".edged"), "truncated")
    packed.write_bytes(packed.read_bytes()[:9000])
    return packed


def tampered(path: Path) -> Path:
    good(path, "tampered")
    data = bytearray((path / "model.tflite").read_bytes())
    data[len(data) // 2] ^= 1
    (path / "model.tflite").write_bytes(data)
    return path


def otherwise(path: Path) -> Path:
    return edited(good(path, "otherwise"), lambda told: told["head"].update(bias=[3.0]))


def labels(path: Path) -> Path:
    return edited(good(path, "labels", golden=False), lambda told: told["labels"].append("off"))


def fails(path: Path) -> Path:
    return good(path, "fails", model=FAILING, golden=False)


BROKEN: tuple[tuple[Callable[[Path], Path], str], ...] = (
    (truncated, "is not a whole .edged file"),
    (tampered, "is not that of model.tflite"),
    (otherwise, "its golden input gives 'on' 0.9526 in window 1"),
    (labels, "2 given, but head.weights has 1 rows"),
    (fails, "is rolled back, for it failed in its first 3 windows: the model fails: gather index out of bounds"),
)


@dataclass(frozen=True)
class Swaps:
    """What fifty installations came to."""

    installed: list[str]
    """Versions, in order."""
    refused: int


def swapped(daemon: Daemon, folder: Path) -> Swaps:
    """Install fifty bundles, each fifth of which is broken; after those the one before runs on."""
    installed, refused = ["0"], 0
    for number in range(1, SWAPS + 1):
        path = folder / f"bundle{number}"
        before = call(daemon.control_socket, "models")["models"][0]
        if number % BROKEN_EVERY:
            told = call(
                daemon.control_socket, "install", deadline_s=INSTALL_S, name="word", path=str(good(path, str(number)))
            )
            assert (told["version"], told["tried"], told["golden"]["same"]) == (str(number), True, True)
            installed.append(str(number))
            continue
        make, why = BROKEN[refused % len(BROKEN)]
        with pytest.raises(EdgedError) as refusal:
            call(daemon.control_socket, "install", deadline_s=INSTALL_S, name="word", path=str(make(path)))
        assert why in str(refusal.value)
        refused += 1
        assert call(daemon.control_socket, "models")["models"][0] == before
        assert before["version"] == installed[-1]
    return Swaps(installed, refused)


@pytest.mark.slow
def test_fifty_swaps_lose_no_window_and_hear_none_twice(tmp_path: Path, broker: Broker) -> None:
    noise = np.random.default_rng(5).normal(0, 300, SOUND_S * RATE_HZ).astype(np.int16)
    config = settings(
        broker.port,
        file_source(write_wav(tmp_path / "noise.wav", noise)),
        model(good(tmp_path / "bundle0", "0")),
    )
    with broker.subscriber() as subscriber, Daemon(tmp_path / "edged", config) as daemon:
        eventually(lambda: vitals(daemon)["models"]["sample/word"]["windows"] > 0, "it hears")
        swaps = swapped(daemon, tmp_path)
        assert vitals(daemon)["sources"]["sample"]["state"] == "hearing", "the sound was too short for this machine"
        numbers = await_source(daemon, "sample")
        eventually(lambda: drained(daemon), "the broker has all of it", 60)
        heard = [event for event in events(subscriber.messages) if event["kind"] in ("start", "update")]
        (running,) = call(daemon.control_socket, "models")["models"]
    assert (len(swaps.installed), swaps.refused) == (1 + SWAPS - SWAPS // BROKEN_EVERY, SWAPS // BROKEN_EVERY)

    # Every window, once and in order.
    ends = [event["at_sample"] for event in heard]
    assert ends[0] == FIRST
    assert {after - before for before, after in pairwise(ends)} == {STEP}
    assert len(ends) == numbers["models"]["sample/word"]["windows"] == 1 + (len(noise) - FIRST) // STEP
    assert numbers["models"]["sample/word"]["dropped_s"] == 0

    # Each good version, in order, and no broken one.
    versions = [event["model"]["version"] for event in heard]
    assert [version for version, before in zip(versions, [None, *versions], strict=False) if version != before] == (
        swaps.installed
    )
    assert running["version"] == swaps.installed[-1]
    kept = json.loads((daemon.folder / "state/models/word.json").read_text())
    assert kept["path"].endswith(f"/bundle{swaps.installed[-1]}")
    assert len(list((daemon.folder / "state/models").iterdir())) == 2, "nothing broken is left there"
