"""Hits, misses, false alarms, and what so many hours allow to be said: against published tables, and by property."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edged.workshop.metrics import Detection, Truth, accepted, match, quantile
from edged.workshop.poisson import cdf, dispersion, exposure_needed, garwood, predicted, upper, wilson
from edged.workshop.snr import active, active_rms, rms, span

if TYPE_CHECKING:
    from edged.records import Pcm

RATE_HZ = 16_000


@pytest.mark.parametrize(
    ("count", "low", "high"),
    [  # exact 95 % limits of a Poisson mean, as they are tabulated since Garwood 1936
        (0, 0.0, 3.689),
        (1, 0.0253, 5.572),
        (2, 0.2422, 7.225),
        (5, 1.623, 11.668),
        (10, 4.795, 18.390),
        (20, 12.217, 30.888),
        (50, 37.111, 65.919),
        (100, 81.364, 121.627),
    ],
)
def test_garwood_is_that_of_the_tables(count: int, low: float, high: float) -> None:
    assert garwood(count) == pytest.approx((low, high), abs=6e-4)


def test_without_an_alarm_the_bound_is_three_over_the_hours() -> None:
    assert upper(0) == pytest.approx(-math.log(0.05), abs=1e-9)
    assert upper(1) == pytest.approx(4.7439, abs=1e-4)  # half of chi-squared's 0.95 quantile with 4 degrees: 9.4877
    assert upper(10) == pytest.approx(16.9622, abs=1e-4)  # 22 degrees: 33.9244
    assert exposure_needed(1 / 24) == pytest.approx(71.9, abs=0.01)  # one a day: three days
    assert exposure_needed(0) == math.inf


@given(st.integers(0, 40), st.floats(0.1, 60))
def test_the_bounds_are_where_the_tails_are(count: int, mean: float) -> None:
    low, high = garwood(count)
    assert cdf(count, high) == pytest.approx(0.025, abs=1e-9)
    assert count == 0 or 1 - cdf(count - 1, low) == pytest.approx(0.025, abs=1e-9)
    assert 0 <= cdf(count, mean) <= cdf(count + 1, mean) <= 1


def test_the_prediction_holds_when_the_threshold_was_chosen_after_the_fact() -> None:
    rng = np.random.default_rng(7)
    inside = 0
    for _ in range(2000):
        heard, to_come = rng.random(rng.poisson(40)), rng.random(rng.poisson(10))  # peaks in 4 hours, and in another
        threshold = np.sort(heard)[-4]  # three are left over it
        low, high = predicted(3, heard=4.0, to_come=1.0)
        inside += low <= np.count_nonzero(to_come > threshold) <= high
    assert 0.95 <= inside / 2000 < 0.995


def test_bursts_widen_what_is_predicted() -> None:
    assert dispersion([1, 1, 1, 1], [1.0] * 4) == 1.0
    assert dispersion([0, 0, 0, 8], [1.0] * 4) == pytest.approx(8.0)
    assert dispersion([5], [1.0]) == 1.0
    assert dispersion([0, 0], [1.0, 2.0]) == 1.0
    low, high = predicted(8, heard=4.0, to_come=4.0)
    wide = predicted(8, heard=4.0, to_come=4.0, burst=4.0)
    assert wide[0] < low
    assert wide[1] > high
    assert predicted(3, heard=4.0, to_come=0.0) == (0, 0)


@given(st.integers(0, 300), st.integers(1, 300))
def test_wilsons_bounds_are_the_shares_that_the_score_test_just_allows(hits: int, trials: int) -> None:
    hits = min(hits, trials)
    low, high = wilson(hits, trials)
    assert 0 <= low <= hits / trials <= high + 1e-12 <= 1 + 1e-9
    for bound in (low, high):
        if 1e-9 < bound < 1 - 1e-9:
            far = abs(hits / trials - bound) / math.sqrt(bound * (1 - bound) / trials)
            assert far == pytest.approx(1.959964, abs=1e-4)


def test_of_nothing_tried_all_is_possible() -> None:
    assert wilson(0, 0) == (0.0, 1.0)
    assert wilson(0, 10) == pytest.approx((0.0, 0.2775), abs=1e-4)


def test_each_detection_is_a_hit_a_duplicate_or_an_alarm() -> None:
    truths = [Truth("a", 1.0, 2.0), Truth("b", 4.0, 5.0), Truth("_unknown_", 8.0, 9.0, "alexa")]
    heard = [
        Detection("a", 2.75, 0.9),  # the last moment
        Detection("a", 1.5, 0.8),  # the first, and so the hit
        Detection("b", 3.99, 0.7),  # before it was said
        Detection("a", 4.5, 0.6),  # while something else was
        Detection("b", 9.2, 0.5),
    ]
    found = match(heard, truths, labels=["a", "b"])
    assert [(truth.label, hit.at_s) for truth, hit in found.hits] == [("a", 1.5)]
    assert [each.at_s for each in found.duplicates] == [2.75]
    assert [(each.detection.at_s, each.said) for each in found.alarms] == [(3.99, ""), (4.5, "b"), (9.2, "alexa")]
    assert found.misses == (truths[1],)
    assert found.latencies_s("a") == [-0.5]
    assert accepted(found, truths) == {"a": (1, 0), "b": (1, 1), "alexa": (1, 1)}


def test_past_the_tolerance_it_is_too_late() -> None:
    found = match([Detection("a", 2.76, 0.9)], [Truth("a", 1.0, 2.0)], labels=["a"])
    assert not found.hits
    assert len(found.alarms) == 1
    late = match([Detection("a", 2.76, 0.9)], [Truth("a", 1.0, 2.0)], labels=["a"], tolerance_s=1.0)
    assert len(late.hits) == 1


def test_two_events_side_by_side_are_both_hit() -> None:
    truths = [Truth("a", 1.0, 2.0), Truth("a", 2.2, 3.0)]
    found = match([Detection("a", 2.3, 0.9), Detection("a", 2.4, 0.9)], truths, labels=["a"])
    assert [truth.start_s for truth, _ in found.hits] == [1.0, 2.2]
    assert not found.misses


events = st.lists(
    st.builds(
        lambda label, start, length: Truth(label, start, start + length),
        st.sampled_from(["a", "b", "_unknown_"]),
        st.floats(0, 60),
        st.floats(0, 4),
    ),
    max_size=12,
)
heard = st.lists(st.builds(Detection, st.sampled_from(["a", "b"]), st.floats(0, 60), st.floats(0, 1)), max_size=20)


@given(heard, events)
def test_nothing_is_lost_and_nothing_counted_twice(detections: list[Detection], truths: list[Truth]) -> None:
    found = match(detections, truths, labels=["a", "b"])
    told = [hit for _, hit in found.hits] + list(found.duplicates) + [alarm.detection for alarm in found.alarms]
    assert sorted(map(id, told)) == sorted(map(id, detections))
    known = [truth for truth, _ in found.hits] + list(found.misses)
    assert sorted(map(id, known)) == sorted(id(truth) for truth in truths if truth.label in {"a", "b"})
    for truth, hit in found.hits:
        assert truth.label == hit.label
        assert truth.start_s <= hit.at_s <= truth.end_s + 0.75
    for alarm in found.alarms:
        near = [t for t in truths if t.start_s <= alarm.detection.at_s <= t.end_s + 0.75]
        assert all(truth.label != alarm.detection.label for truth in near)
        assert bool(alarm.truth) == bool(near)


def test_quantiles_are_values_that_were_there() -> None:
    values = [float(value) for value in range(1, 101)]
    assert quantile(values, 0.5) == 50
    assert quantile(values, 0.95) == 95
    assert quantile([3.0], 0.95) == 3.0
    assert quantile([], 0.5) is None


def word(level: float, *, seconds: float = 0.5, before: float = 0.7, after: float = 0.8) -> Pcm:
    tone = np.sin(np.arange(round(seconds * RATE_HZ)) * 2 * np.pi * 440 / RATE_HZ) * level
    silence = [np.zeros(round(length * RATE_HZ)) for length in (before, after)]
    samples: Pcm = np.rint(np.concatenate([silence[0], tone, silence[1]])).astype(np.int16)
    return samples


def test_a_level_is_that_of_the_word_not_of_the_clip() -> None:
    short, long = word(1000), word(1000, before=3, after=5)
    assert active_rms(short, rate_hz=RATE_HZ) == pytest.approx(1000 / math.sqrt(2), rel=0.01)
    assert active_rms(long, rate_hz=RATE_HZ) == pytest.approx(active_rms(short, rate_hz=RATE_HZ), rel=0.01)
    assert rms(long) < 0.5 * rms(short)


def test_a_clip_begins_and_ends_where_its_word_does() -> None:
    begins, ends = span(word(1000), rate_hz=RATE_HZ)
    assert begins / RATE_HZ == pytest.approx(0.7, abs=0.021)
    assert ends / RATE_HZ == pytest.approx(1.2, abs=0.021)


def test_a_click_is_not_of_the_word() -> None:
    clicked = word(1000)
    clicked[1000:1100] = 3000
    begins, _ = span(clicked, rate_hz=RATE_HZ)
    assert begins / RATE_HZ == pytest.approx(0.7, abs=0.021)


def test_noise_in_the_clip_is_not_of_the_word() -> None:
    noisy = word(3000) + np.random.default_rng(1).normal(0, 100, len(word(3000)))
    share = active(noisy.astype(np.int16), rate_hz=RATE_HZ).mean()
    assert share == pytest.approx(0.25, abs=0.03)


@given(st.integers(0, 2000))
def test_any_length_has_as_many_marks(length: int) -> None:
    samples = np.random.default_rng(length).normal(0, 100, length).astype(np.int16)
    assert len(active(samples, rate_hz=RATE_HZ)) == length
    begins, ends = span(samples, rate_hz=RATE_HZ)
    assert 0 <= begins <= ends <= length
    assert active(np.zeros(length, np.int16), rate_hz=RATE_HZ).all()
