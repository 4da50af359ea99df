"""Evaluation: its decisions are replay's, its counts add up, and the command says what it found."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from nabu import NABU_PATH, nabu
from test_streams import dataset, tone

from edged import cli
from edged.classify.bundle import open_bundle
from edged.decide import Decider
from edged.errors import DatasetError
from edged.records import Policy, Scores
from edged.replay import replay
from edged.workshop.dataset import read_dataset
from edged.workshop.evaluate import detections, evaluate_clips, evaluate_streams, judge, taken_for
from edged.workshop.metrics import Truth
from edged.workshop.results import OTHER, Evaluation, facts_of, merge
from edged.workshop.results_file import read_results, to_json
from edged.workshop.scoring import Recording, Scored, Scorer, at_threshold, decide, score_all
from edged.workshop.streams import Stream, recorded, woven

if TYPE_CHECKING:
    from pathlib import Path

    from edged.classify.bundle import Bundle
    from edged.records import Decision, Pcm
    from edged.workshop.dataset import Clip

RATE_HZ = 16_000


@pytest.fixture(scope="module")
def scored(okay_nabu: Path) -> Scored:
    with Scorer(nabu()) as scorer:
        return scorer.score(Recording(okay_nabu))


# What is decided.


@pytest.mark.parametrize("threshold", [0.02, 0.3, 0.85, 0.9999])
@pytest.mark.parametrize("kind", ["detection", "sound"])
def test_decides_what_replay_decides_event_for_event(
    okay_nabu: Path, scored: Scored, threshold: float, kind: str
) -> None:
    changed = {"threshold": threshold, "kind": kind, "release": threshold / 2, "n": 2, "of_m": 3, "update_s": 0.2}
    bundle = open_bundle(NABU_PATH, policy=changed)
    replayed = [(event.at_s, event.label, event.kind, event.score) for event in replay([okay_nabu], [bundle])]
    decided = [
        (decision.at / scored.rate_hz, decision.label, decision.kind, round(decision.score, 6))
        for decision in decide(scored, bundle.policies)
    ]
    assert decided == replayed
    assert bool(decided) == (threshold < 0.9999)


def test_a_file_after_another_is_heard_as_if_it_were_the_first(okay_nabu: Path, scored: Scored) -> None:
    with Scorer(nabu()) as scorer:
        scorer.score(Recording(okay_nabu))
        again = scorer.score(Recording(okay_nabu))
    assert np.array_equal(again.values, scored.values)
    assert np.array_equal(again.ends, scored.ends)
    assert again.seconds == pytest.approx(scored.seconds)


def test_two_processes_hear_what_one_hears(okay_nabu: Path, scored: Scored) -> None:
    for found in score_all(nabu(), [Recording(okay_nabu)] * 3, jobs=2):
        assert np.array_equal(found.smoothed, scored.smoothed)


POLICIES = st.builds(
    Policy,
    kind=st.sampled_from(["detection", "sound"]),
    threshold=st.sampled_from([0.0, 0.2, 0.5, 0.8, 1.0]),
    mean_of=st.integers(1, 3),
    n=st.integers(1, 2),
    of_m=st.integers(2, 4),
    refractory_s=st.sampled_from([0.0, 0.01, 0.1]),
    min_s=st.sampled_from([0.0, 0.01]),
    max_s=st.sampled_from([None, 0.05]),
    update_s=st.sampled_from([0.01, 10.0]),
)


@given(
    st.lists(st.lists(st.sampled_from([0.0, 0.1, 0.4, 0.6, 0.9, 1.0, np.nan]), min_size=3, max_size=3), max_size=60),
    st.tuples(POLICIES, POLICIES),
    st.floats(0, 1),
)
def test_what_is_passed_over_would_have_changed_nothing(
    rows: list[list[float]], policies: tuple[Policy, Policy], share: float
) -> None:
    chosen = {
        label: replace(policy, release=policy.threshold * share) for label, policy in zip("ac", policies, strict=True)
    }
    values = np.array(rows, np.float32).reshape(-1, 3)
    ends = np.arange(1, len(rows) + 1) * 160
    decider = Decider(labels="abc", policies=chosen, rate_hz=RATE_HZ)
    wanted: list[Decision] = []
    smoothed = np.zeros((len(rows), 2))
    for row, (posteriors, end) in enumerate(zip(values, ends, strict=True)):
        wanted += decider.step(Scores(posteriors, int(end)))
        smoothed[row] = decider.smoothed
    wanted += decider.reset(len(rows) * 160)
    gathered = Scored(
        labels=("a", "b", "c"),
        decided=("a", "c"),
        mean_of=(chosen["a"].mean_of, chosen["c"].mean_of),
        values=values,
        smoothed=smoothed,
        ends=ends,
        rate_hz=RATE_HZ,
        heard=len(rows) * 160,
    )
    assert decide(gathered, chosen) == wanted
    one = {"c": chosen["c"]}
    assert decide(gathered, one) == [decision for decision in wanted if decision.label == "c"]
    other = {label: replace(policy, mean_of=policy.mean_of + 1) for label, policy in chosen.items()}
    anew = Decider(labels="abc", policies=other, rate_hz=RATE_HZ)
    slow = [each for row, end in zip(values, ends, strict=True) for each in anew.step(Scores(row, int(end)))]
    assert decide(gathered, other) == slow + anew.reset(len(rows) * 160)


def test_a_threshold_takes_the_release_down_with_it() -> None:
    policy = Policy(threshold=0.8, release=0.5)
    assert at_threshold(policy, 0.6) == replace(policy, threshold=0.6)
    assert at_threshold(policy, 0.3) == replace(policy, threshold=0.3, release=0.3)


# Streams.


@pytest.fixture(scope="module")
def words(okay_nabu: Path, tmp_path_factory: pytest.TempPathFactory) -> Stream:
    """The phrase twice, from 1.5 s on, and a third time that is only claimed."""
    truth = tmp_path_factory.mktemp("truth") / "nabu.csv"
    truth.write_text("label,start_s,end_s\nokay_nabu,1.5,2.4\nokay_nabu,3.5,5.2\nokay_nabu,0.1,0.2\n")
    return recorded(okay_nabu, truth, labels=["okay_nabu"])


def test_hits_misses_and_latency_of_a_stream(words: Stream, scored: Scored) -> None:
    (result,) = evaluate_streams(nabu(), [words])
    assert result.total.events == 3
    assert result.total.hits == 2
    assert result.total.alarms == 0
    assert result.recall == pytest.approx(2 / 3)
    assert result.seconds == pytest.approx(scored.seconds)
    heard = [each.at_s for each in detections(scored, nabu().policies)]
    expected = [round(at - end, 4) for at, end in zip(heard, (2.4, 5.2), strict=True)]
    assert list(result.latencies_s["okay_nabu"]) == expected
    (miss,) = result.misses
    assert miss.at_s == 0.2
    assert miss.score < 0.5
    assert max(miss.times_s) <= 2.3


def test_what_was_not_said_is_a_false_alarm_by_what_was(words: Stream, scored: Scored) -> None:
    other = replace(words, truths=(Truth("_unknown_", 1.5, 2.4, "okay"), Truth("_unknown_", 6.0, 6.1, "nothing")))
    result = judge(scored, other, policies=nabu().policies)
    assert result.total.alarms == 2
    assert result.said == {"okay": (1, 1), "nothing": (1, 0)}
    assert [alarm.said for alarm in sorted(result.alarms, key=lambda each: each.at_s)] == ["okay", ""]
    assert all(alarm.score >= alarm.threshold for alarm in result.alarms)


def test_the_curve_falls_and_passes_through_the_models_own_threshold(words: Stream, scored: Scored) -> None:
    policies = nabu().policies
    result = judge(scored, words, policies=policies)
    missed = [point.misses for point in result.det]
    assert missed == sorted(missed)
    assert missed[0] < missed[-1] == 3
    own = policies["okay_nabu"].threshold
    at = next(point for point in result.det if point.threshold == pytest.approx(own, abs=0.011))
    assert at.misses == result.total.events - result.total.hits


@pytest.mark.shared
def test_alexa_in_streams_of_real_speech(shared: Path, alexa: Bundle) -> None:
    every = read_dataset(shared / "data").clips
    clips = [clip for clip in every if clip.path.parent.name in {"alexa", "computer"}][::12]
    hum = [clip for clip in every if clip.label == "_noise_"]
    streams = [
        *woven(clips, labels=alexa.policies, seed=1),
        *woven(clips, labels=alexa.policies, seed=1, snr_db=0, noise=hum),
    ]
    clean, noisy = evaluate_streams(alexa, streams)
    assert (clean.snr_db, noisy.snr_db) == (None, 0)
    assert clean.total.events == noisy.total.events == sum(clip.label == "alexa" for clip in clips)
    assert clean.recall is not None
    assert noisy.recall is not None
    assert clean.recall >= 0.9
    assert noisy.recall < clean.recall
    assert clean.total.alarms == 0
    assert clean.said["computer"][1] == 0
    median = clean.latency_s(0.5)
    assert median is not None
    assert -0.3 < median < 0.4


@pytest.fixture
def alexa() -> Bundle:
    return open_bundle(NABU_PATH.with_name("alexa.json"))


# Clips.


@pytest.fixture
def spoken_clips(tmp_path: Path, okay_nabu: Path) -> tuple[Clip, ...]:
    """Two takes of the word, cut out of the recording, and a tone."""
    samples = np.concatenate(list(Recording(okay_nabu).blocks(RATE_HZ)))
    takes: list[tuple[str, str, Pcm]] = [
        ("okay_nabu", "us", samples[round(1.4 * RATE_HZ) : round(2.6 * RATE_HZ)]),
        ("okay_nabu", "gb", samples[round(3.6 * RATE_HZ) : round(5.4 * RATE_HZ)]),
        ("beep", "x", tone(440)),
    ]
    return read_dataset(dataset(tmp_path / "spoken", takes)).clips


@pytest.fixture
def hum(tmp_path: Path) -> tuple[Clip, ...]:
    samples = np.rint(np.random.default_rng(3).normal(0, 900, RATE_HZ * 3)).astype(np.int16)
    return read_dataset(dataset(tmp_path / "hum", [("_noise_", "", samples)])).clips


def test_clips_are_taken_for_a_label_or_for_something_else(
    spoken_clips: tuple[Clip, ...], hum: tuple[Clip, ...]
) -> None:
    told: list[float] = []
    clean, noisy = evaluate_clips(nabu(), spoken_clips, seed=1, snrs_db=[-20], noise=hum, advanced=told.append)
    assert clean.confusion == {"okay_nabu": {"okay_nabu": 2}, OTHER: {OTHER: 1}}
    assert clean.said == {"beep": (1, 0)}
    assert (clean.right, clean.total) == (3, 3)
    assert noisy.snr_db == -20
    assert noisy.confusion["okay_nabu"] == {OTHER: 2}
    assert told == [1, 2, 3, 4, 5, 6]


def test_the_label_with_the_highest_score_over_its_threshold_wins() -> None:
    scored = Scored(
        labels=("a", "b"),
        decided=("a", "b"),
        mean_of=(1, 1),
        values=np.zeros((2, 2), np.float32),
        smoothed=np.array([[0.6, 0.1], [0.2, 0.9]]),
        ends=np.array([1, 2]),
        rate_hz=1,
        heard=2,
    )
    assert taken_for(scored, {"a": Policy(), "b": Policy()}) == "b"
    assert taken_for(scored, {"a": Policy(), "b": Policy(threshold=0.9)}) == "a"
    assert taken_for(scored, {"a": Policy(threshold=0.6), "b": Policy(threshold=0.9)}) == OTHER


# Adding up, and keeping.


def test_folds_add_up_to_the_whole(words: Stream, spoken_clips: tuple[Clip, ...], tmp_path: Path) -> None:
    bundle = nabu()
    other = replace(bundle, sha256="0" * 64)
    streams = [words, replace(words, name="again", truths=words.truths[:1])]
    whole = Evaluation(
        (facts_of(bundle),), evaluate_clips(bundle, spoken_clips, seed=1), evaluate_streams(bundle, streams)
    )
    parts = [
        Evaluation((facts_of(each),), evaluate_clips(each, clips, seed=1), evaluate_streams(each, [stream]))
        for each, clips, stream in zip((bundle, other), (spoken_clips[:1], spoken_clips[1:]), streams, strict=True)
    ]
    kept = []
    for number, part in enumerate(parts):
        path = tmp_path / f"{number}.json"
        path.write_text(to_json(part))
        kept.append(read_results(path))
    assert kept == parts
    merged = merge(kept)
    assert len(merged.models) == 2
    assert json.loads(to_json(replace(merged, models=whole.models))) == json.loads(to_json(whole))


def test_models_of_other_labels_do_not_add_up(words: Stream, alexa: Bundle) -> None:
    one = Evaluation((facts_of(nabu()),), (), evaluate_streams(nabu(), [words]))
    with pytest.raises(DatasetError, match="one has the labels alexa, another okay_nabu"):
        merge([one, Evaluation((facts_of(alexa),))])
    with pytest.raises(DatasetError, match="--tolerance"):
        merge([one, replace(one, tolerance_s=0.5)])


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"edged_evaluation": 1}', '{"edged_evaluation": 1, "models": [3]}'])
def test_what_is_no_evaluation_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "a.json"
    path.write_text(text)
    with pytest.raises(DatasetError, match=r"a\.json"):
        read_results(path)


# The command.


def test_the_command_says_what_it_found(
    words: Stream, okay_nabu: Path, spoken_clips: tuple[Clip, ...], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    truth = tmp_path / "truth.csv"
    lines = [f"{truth.label},{truth.start_s},{truth.end_s}" for truth in words.truths]
    truth.write_text("\n".join(["label,start_s,end_s", *lines]) + "\n")
    model, clips = str(NABU_PATH), str(spoken_clips[0].path.parent)
    typed = ["evaluate", model, "--stream", str(okay_nabu), "--truth", str(truth), "--clips", clips, "--jobs", "1"]
    assert cli.main(typed) == 0
    said = capsys.readouterr().out
    assert "66.7 % (95 % interval 20.8 to 93.9) of 3 events recognised" in said
    assert "none in 0.1 minutes, so at most" in said
    assert "3 clips, no noise added: 100.0 %" in said
    assert cli.main([*typed, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    derived = told["streams"][0]["derived"]
    assert derived["recall"] == pytest.approx(2 / 3)
    assert derived["false_alarms_per_hour_upper_95"] == pytest.approx(2.9957 / derived["hours"], rel=1e-4)
    kept = tmp_path / "kept.json"
    kept.write_text(json.dumps(told))
    assert cli.main(["evaluate", "--merge", str(kept), str(kept)]) == 0
    assert "of 6 events recognised" in capsys.readouterr().out
