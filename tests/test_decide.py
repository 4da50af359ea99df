"""Decisions: tables of scores and what they must say, and what holds for every sequence of scores."""

from __future__ import annotations

import math
import statistics
from collections import deque
from dataclasses import replace
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edged.decide import Decider
from edged.errors import ConfigError
from edged.records import Decision, Policy, Scores

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

RATE_HZ = 100
HOP = 100
"""A window a second: the n-th window of a table ends at n seconds."""


def decider(policy: Policy) -> Decider:
    return Decider(labels=["bark"], policies={"bark": policy}, rate_hz=RATE_HZ)


def heard(by: Decider, values: Iterable[float], *, first: int = 1) -> list[Decision]:
    return [decision for n, value in enumerate(values, first) for decision in by.step(one(value, ends=n * HOP))]


def one(value: float, *, ends: int) -> Scores:
    return Scores(np.array([value], dtype=np.float32), ends)


def told(decisions: Iterable[Decision]) -> list[str]:
    """``start@3`` for each, by the second; a sound's beginning in brackets where it is another one."""
    words = []
    for decision in decisions:
        began = "" if decision.began == decision.at or decision.kind != "start" else f"({decision.began // HOP})"
        words.append(f"{decision.kind}@{decision.at // HOP}{began}")
    return words


WORD = Policy(threshold=0.5)
SOUND = Policy(kind="sound", threshold=0.5, update_s=100)

TABLE: list[tuple[str, Policy, Sequence[float], list[str]]] = [
    ("a rising edge", WORD, [0, 0.9, 0.9, 0, 0.9], ["detection@2", "detection@5"]),
    ("the threshold itself is not over it", WORD, [0.5, 0.5], []),
    ("at the threshold it is released", WORD, [0.9, 0.5, 0.9], ["detection@1", "detection@3"]),
    ("above the release it stays", replace(WORD, release=0.3), [0.9, 0.31, 0.9], ["detection@1"]),
    ("at the release it falls", replace(WORD, release=0.25), [0.9, 0.25, 0.9], ["detection@1", "detection@3"]),
    ("a mean waits for its windows", replace(WORD, mean_of=3), [1, 1, 1, 1], ["detection@3"]),
    ("a mean forgets", replace(WORD, mean_of=2), [1, 0, 1, 0.5, 0], ["detection@4"]),
    ("two of three", replace(WORD, n=2, of_m=3), [1, 0, 0, 1, 0, 1], ["detection@6"]),
    ("two of three at once", replace(WORD, n=2, of_m=3), [1, 1], ["detection@2"]),
    ("votes hold it through a dip", replace(WORD, n=2, of_m=3), [1, 1, 0, 1, 1], ["detection@2"]),
    ("votes let it go", replace(WORD, n=2, of_m=3), [1, 1, 0, 0, 1, 1], ["detection@2", "detection@6"]),
    ("one of two falls when both are low", replace(WORD, of_m=2), [1, 0, 0, 1], ["detection@1", "detection@4"]),
    ("too soon is swallowed", replace(WORD, refractory_s=3), [1, 0, 1, 0, 1], ["detection@1", "detection@5"]),
    ("and stays swallowed", replace(WORD, refractory_s=3), [1, 0, 1, 1, 1, 0, 1], ["detection@1", "detection@7"]),
    ("just late enough", replace(WORD, refractory_s=3), [1, 0, 0, 1], ["detection@1", "detection@4"]),
    ("a swallowed one delays none", replace(WORD, refractory_s=3), [1, 0, 1, 0, 1, 0], ["detection@1", "detection@5"]),
    ("a word has no length", replace(WORD, min_s=9, max_s=1, update_s=0), [1, 1, 1], ["detection@1"]),
    ("a sound", SOUND, [0, 1, 1, 0, 0], ["start@2", "end@4"]),
    ("a sound of one window", SOUND, [1, 0], ["start@1", "end@2"]),
    ("hysteresis holds a sound", replace(SOUND, release=0.25), [1, 0.3, 0.4, 0.25], ["start@1", "end@4"]),
    ("too short is not told", replace(SOUND, min_s=2), [1, 1, 0, 1, 0], []),
    ("long enough, with its real beginning", replace(SOUND, min_s=2), [0, 1, 1, 1, 0], ["start@4(2)", "end@5"]),
    ("updates", replace(SOUND, update_s=2), [1] * 6 + [0], ["start@1", "update@3", "update@5", "end@7"]),
    ("an update at most a window", replace(SOUND, update_s=0), [1, 1, 1], ["start@1", "update@2", "update@3"]),
    ("too long begins anew", replace(SOUND, max_s=2), [1] * 4 + [0], ["start@1", "end@3", "start@3", "end@5"]),
    ("anew needs its length again", replace(SOUND, max_s=3, min_s=1), [1] * 5, ["start@2(1)", "end@4", "start@5(4)"]),
    (
        "a sound in refractory time waits",
        replace(SOUND, refractory_s=4),
        [1, 0, 1, 1, 1],
        ["start@1", "end@2", "start@5(3)"],
    ),
    ("or passes untold", replace(SOUND, refractory_s=4), [1, 0, 1, 1, 0, 1], ["start@1", "end@2", "start@6"]),
    ("anew waits as well", replace(SOUND, max_s=1, refractory_s=3), [1] * 4, ["start@1", "end@2", "start@4(2)"]),
    ("no number is no score", replace(SOUND, of_m=2), [1, math.nan, math.nan, 1], ["start@1", "end@3", "start@4"]),
    ("nor is infinity", replace(SOUND, of_m=2), [1, math.inf, math.inf, 1], ["start@1", "end@3", "start@4"]),
]


@pytest.mark.parametrize(("policy", "values", "says"), [row[1:] for row in TABLE], ids=[row[0] for row in TABLE])
def test_table(policy: Policy, values: Sequence[float], says: list[str]) -> None:
    assert told(heard(decider(policy), values)) == says


def test_a_detection_carries_the_score_that_decided() -> None:
    (decision,) = heard(decider(replace(WORD, mean_of=2)), [0.5, 0.75])
    assert decision == Decision("detection", "bark", score=0.625, peak=0.625, mean=0.625, began=200, at=200)


def test_a_sound_carries_peak_and_mean_since_it_began() -> None:
    start, update, end = heard(decider(replace(SOUND, min_s=1, update_s=2)), [0.75, 1.0, 0.625, 0.625, 0.25])
    assert start == Decision("start", "bark", score=1.0, peak=1.0, mean=0.875, began=100, at=200)
    assert update == Decision("update", "bark", score=0.625, peak=1.0, mean=0.75, began=100, at=400)
    assert end == Decision("end", "bark", score=0.25, peak=1.0, mean=0.75, began=100, at=500)


def test_anew_means_peak_and_mean_too() -> None:
    *_, end = heard(decider(replace(SOUND, max_s=2)), [1.0, 1.0, 0.75, 0.625, 0.0])
    assert (end.peak, end.mean, end.began) == (0.75, 0.6875, 300)


def test_rounding_never_lifts_the_mean_over_the_peak() -> None:
    """Ten times this third, added up and divided again, is one bit more than the third."""
    values = [130 / 256, 0.5, 0.5] * 4
    end = heard(decider(replace(SOUND, mean_of=3)), [*values, 0.0])[-1]
    assert end.kind == "end"
    assert end.mean == end.peak


def test_a_broken_stream_ends_what_was_on() -> None:
    by = decider(SOUND)
    heard(by, [0, 0.75])
    assert by.reset(250) == [Decision("end", "bark", score=0.75, peak=0.75, mean=0.75, began=200, at=250)]
    assert by.reset(250) == []
    assert by.active == frozenset()
    assert told(heard(by, [0.75])) == ["start@1"]


def test_a_broken_stream_never_ends_before_it_started() -> None:
    by = decider(SOUND)
    heard(by, [0, 1])
    (end,) = by.reset(0)
    assert end.at == 200


def test_a_broken_stream_tells_nothing_of_words_and_untold_sounds() -> None:
    for policy in (WORD, replace(SOUND, min_s=5)):
        by = decider(policy)
        heard(by, [1, 1])
        assert by.reset(200) == []


def test_active_is_what_was_told() -> None:
    by = Decider(
        labels=["word", "sound", "late", "rain"],
        policies={"word": WORD, "sound": SOUND, "late": replace(SOUND, min_s=1), "unknown": SOUND},
        rate_hz=RATE_HZ,
    )
    everything = np.ones(4, dtype=np.float32)
    first = by.step(Scores(everything, HOP))
    assert [(decision.label, decision.kind) for decision in first] == [("word", "detection"), ("sound", "start")]
    assert by.active == {"word", "sound"}
    by.step(Scores(everything, 2 * HOP))
    assert by.active == {"word", "sound", "late"}
    by.step(Scores(np.zeros(4, dtype=np.float32), 3 * HOP))
    assert by.active == frozenset()


def test_a_swallowed_word_is_not_active() -> None:
    by = decider(replace(WORD, refractory_s=9))
    heard(by, [1, 0, 1])
    assert by.active == frozenset()


def test_labels_without_policies_decide_nothing() -> None:
    by = Decider(labels=["a", "b"], policies={}, rate_hz=RATE_HZ)
    assert by.step(Scores(np.ones(2, dtype=np.float32), HOP)) == []


@pytest.mark.parametrize(
    ("policy", "key"),
    [
        (Policy(mean_of=0), "mean_of"),
        (Policy(mean_of=1001), "mean_of"),
        (Policy(n=2), "n"),
        (Policy(n=0), "n"),
        (Policy(of_m=63), "of_m"),
        (Policy(threshold=1.5), "threshold"),
        (Policy(threshold=math.nan), "threshold"),
        (Policy(threshold=0.5, release=0.6), "release"),
    ],
)
def test_a_policy_that_contradicts_itself_is_refused(policy: Policy, key: str) -> None:
    with pytest.raises(ConfigError, match="'bark'") as refused:
        decider(policy)
    assert refused.value.key == key


# What holds for every sequence.

posteriors = st.one_of(
    st.sampled_from([0.0, 0.25, 0.5, 0.75, 1.0]),
    st.integers(0, 255).map(lambda q: q / 256),
    st.floats(0, 1, width=32),
)
sequences = st.lists(posteriors, max_size=60)
seconds = st.sampled_from([0.0, 1.0, 2.5, 5.0])


@st.composite
def policies(draw: st.DrawFn) -> Policy:
    threshold = draw(st.sampled_from([0.25, 0.5, 0.75]))
    of_m = draw(st.integers(1, 5))
    return Policy(
        kind=draw(st.sampled_from(["detection", "sound"])),
        threshold=threshold,
        release=draw(st.sampled_from([None, 0.1, threshold])),
        mean_of=draw(st.integers(1, 4)),
        n=draw(st.integers(1, of_m)),
        of_m=of_m,
        refractory_s=draw(seconds),
        min_s=draw(seconds),
        max_s=draw(st.sampled_from([None, 3.0, 7.0])),
        update_s=draw(st.sampled_from([1.0, 4.0, 100.0])),
    )


@given(policy=policies(), values=sequences)
def test_starts_and_ends_alternate_and_times_hold(policy: Policy, values: list[float]) -> None:
    by = decider(policy)
    decisions = [*heard(by, values), *by.reset(len(values) * HOP)]
    sound = policy.kind == "sound"
    assert {decision.kind for decision in decisions} <= ({"start", "update", "end"} if sound else {"detection"})
    edges = [decision for decision in decisions if decision.kind in {"start", "end"}]
    assert [edge.kind for edge in edges] == ["start", "end"] * (len(edges) // 2)
    for start, end in zip(edges[::2], edges[1::2], strict=True):
        assert start.began == end.began <= start.at <= end.at
        assert start.at - start.began >= policy.min_s * RATE_HZ
    assert [decision.at for decision in decisions] == sorted(decision.at for decision in decisions)
    assert all(0 <= decision.mean <= decision.peak <= 1 for decision in decisions)
    assert all(decision.began == decision.at for decision in decisions if decision.kind == "detection")


@given(policy=policies(), values=sequences)
def test_no_two_activations_within_the_refractory_time(policy: Policy, values: list[float]) -> None:
    at = [decision.at for decision in heard(decider(policy), values) if decision.kind in {"start", "detection"}]
    assert all(later - earlier >= policy.refractory_s * RATE_HZ for earlier, later in pairwise(at))


@given(policy=policies(), values=sequences)
def test_words_come_no_closer_than_their_interval(policy: Policy, values: list[float]) -> None:
    """From a word to the next update, update_s pass at least; and no sound outlasts max_s by more than a window."""
    said: int | None = None
    for decision in heard(decider(policy), values):
        if decision.kind == "update":
            assert said is not None
            assert decision.at - said >= policy.update_s * RATE_HZ
        if policy.max_s is not None and policy.min_s <= policy.max_s and policy.refractory_s == 0:
            assert decision.at - decision.began <= policy.max_s * RATE_HZ + HOP
        said = decision.at


@given(policy=policies(), before=sequences, values=sequences)
def test_reset_is_fresh(policy: Policy, before: list[float], values: list[float]) -> None:
    used = decider(policy)
    heard(used, before)
    used.reset(len(before) * HOP)
    assert heard(used, values) == heard(decider(policy), values)


@given(
    chosen=st.lists(policies(), min_size=2, max_size=5),
    seed=st.integers(0, 2**32 - 1),
    background=st.booleans(),
)
def test_labels_do_not_know_each_other(chosen: list[Policy], seed: int, background: bool) -> None:  # noqa: FBT001 - drawn
    labels = [f"label {i}" for i in range(len(chosen))]
    policies = dict(zip(labels, chosen, strict=True))
    together = Decider(labels=["rain", *labels] if background else labels, policies=policies, rate_hz=RATE_HZ)
    alone = [Decider(labels=[label], policies=policies, rate_hz=RATE_HZ) for label in labels]
    columns = np.random.default_rng(seed).random((50, len(chosen) + background)).astype(np.float32)
    for n, row in enumerate(columns, 1):
        mine = row[1:] if background else row
        apart = [d for i, by in enumerate(alone) for d in by.step(Scores(mine[i : i + 1], n * HOP))]
        assert together.step(Scores(row, n * HOP)) == apart


def pymicro_edges(values: Iterable[float], *, cutoff: float, size: int) -> list[int]:
    """The windows at which pymicro-wakeword's ``process_streaming`` turns to True, with its own arithmetic."""
    probabilities: deque[float] = deque(maxlen=size)
    was, edges = False, []
    for n, value in enumerate(values, 1):
        probabilities.append(value)
        mean = 0.0 if len(probabilities) < size else statistics.mean(probabilities)
        active = not mean <= cutoff
        if active and not was:
            edges.append(n)
        was = active
    return edges


@given(
    values=st.lists(posteriors, max_size=120),
    cutoff=st.sampled_from([0.0, 0.5, 0.75, 0.9, 0.97, 0.3]),
    size=st.integers(1, 7),
)
def test_a_mean_over_a_cutoff_is_pymicro_wakewords_rule(values: list[float], cutoff: float, size: int) -> None:
    by = decider(Policy(threshold=cutoff, mean_of=size))
    assert [decision.at // HOP for decision in heard(by, values)] == pymicro_edges(values, cutoff=cutoff, size=size)


def test_the_mean_is_exact_on_eight_bit_posteriors() -> None:
    """Sums of posteriors that land on the cutoff itself, in every rotation of the buffer, must not tip over it."""
    quantised = np.random.default_rng(1).integers(118, 139, 4000) / np.float32(256)
    cutoff = 128 / 256
    values = [float(value) for value in quantised.astype(np.float32)]
    edges = pymicro_edges(values, cutoff=cutoff, size=5)
    assert len(edges) > 100
    assert [d.at // HOP for d in heard(decider(Policy(threshold=cutoff, mean_of=5)), values)] == edges
