"""Scenes: what is marked is there, what is no word is not marked, and the same chance gives the same scene."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edged.workshop.dataset import RATE_HZ
from edged.workshop.scene_bank import EITHER_S, HIT_S, targets_of
from edged.workshop.scenes import SCENE_S, Mark, Odds, Palette, Sound, compose

if TYPE_CHECKING:
    from edged.records import Pcm

WORD_HZ, OTHER_HZ = 1000.0, 3000.0
CLEAR = Odds(quiet=1.0, room=0.0)
"""A scene in which what was composed can be found again."""


def tone(hz: float, *, seconds: float = 0.5) -> Sound:
    lead = np.zeros(RATE_HZ // 4, np.float32)
    wave = 0.1 * np.sin(2 * np.pi * hz * np.arange(round(seconds * RATE_HZ)) / RATE_HZ)
    return Sound.of(np.concatenate([lead, wave.astype(np.float32), lead]))


PALETTE = Palette({"word": [tone(WORD_HZ)]}, {}, [[tone(OTHER_HZ)]], [np.ones(RATE_HZ, np.float32)])


def share(samples: Pcm, hz: float, *, within: float = 0.25) -> float:
    """How much of the energy lies near a frequency."""
    spectrum = np.square(np.abs(np.fft.rfft(samples.astype(float))))
    frequency = np.fft.rfftfreq(len(samples), 1 / RATE_HZ)
    near = (frequency > hz * (1 - within)) & (frequency < hz * (1 + within))
    return float(spectrum[near].sum() / max(spectrum.sum(), 1e-9))


@settings(max_examples=15)
@given(st.integers(0, 2**32 - 1))
def test_a_mark_is_where_a_word_ends(seed: int) -> None:
    scene = compose(PALETTE, rng=np.random.default_rng(seed), odds=replace(CLEAR, word=1, cut=0, scrambled=0))
    assert len(scene.samples) == SCENE_S * RATE_HZ
    assert scene.marks
    for mark in scene.marks:
        assert mark.label == "word"
        said = scene.samples[mark.ends - 3200 : mark.ends - 800]
        assert share(said, WORD_HZ) > 0.5
        after = scene.samples[mark.ends + 1600 : mark.ends + 2400]
        assert np.square(after.astype(float)).sum() < np.square(said.astype(float)).sum()


@pytest.mark.parametrize(
    "odds",
    [
        replace(CLEAR, word=0, cut=0, scrambled=0),
        replace(CLEAR, word=0, cut=1, scrambled=0),
        replace(CLEAR, word=0, cut=0, scrambled=1),
    ],
)
def test_what_is_no_whole_word_is_not_marked(odds: Odds) -> None:
    scenes = [compose(PALETTE, rng=np.random.default_rng(seed), odds=odds) for seed in range(8)]
    assert not any(scene.marks for scene in scenes)
    assert all(scene.samples.any() for scene in scenes)


def test_the_same_chance_gives_the_same_scene() -> None:
    one, two, other = (compose(PALETTE, rng=np.random.default_rng(seed), odds=Odds()) for seed in (5, 5, 6))
    assert np.array_equal(one.samples, two.samples)
    assert one.marks == two.marks
    assert not np.array_equal(one.samples, other.samples)


@pytest.mark.parametrize("snr_db", [0.0, 20.0])
def test_the_bed_lies_under_what_is_said(snr_db: float) -> None:
    bed = np.sin(2 * np.pi * 200 * np.arange(8 * RATE_HZ) / RATE_HZ).astype(np.float32)
    palette = Palette(PALETTE.words, {}, PALETTE.others, [bed])
    odds = Odds(word=1, cut=0, scrambled=0, quiet=0, room=0, snr_db=(snr_db, snr_db))
    shares = [
        share(compose(palette, rng=np.random.default_rng(seed), odds=odds).samples, 200, within=0.5)
        for seed in range(6)
    ]
    assert (np.median(shares) > 0.4) == (snr_db == 0)


def test_windows_after_the_end_say_the_word_and_no_others() -> None:
    ends = np.arange(1, 200) * 480
    targets, counts = targets_of([Mark("b", 48_000)], ends, outputs=("a", "b", "_background_"))
    since_s = (ends - 48_000) / RATE_HZ
    hit = (since_s >= HIT_S[0]) & (since_s <= HIT_S[1])
    either = (since_s > EITHER_S[0]) & (since_s < EITHER_S[1])
    assert set(targets[hit]) == {1}
    assert set(targets[~hit]) == {2}
    assert counts[hit].all()
    assert not counts[either & ~hit].any()
    assert counts[~either].all()


def test_a_word_that_follows_at_once_still_counts() -> None:
    ends = np.arange(1, 200) * 480
    targets, counts = targets_of([Mark("a", 48_000), Mark("b", 55_000)], ends, outputs=("a", "b", "_background_"))
    second = (ends >= 55_000 + HIT_S[0] * RATE_HZ) & (ends <= 55_000 + HIT_S[1] * RATE_HZ)
    assert counts[second].all()
    assert set(targets[second]) == {1}
