"""A lane: the same decisions however the audio is cut, no window across a gap, and times that fit the clock."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from nabu import nabu

from edged.audio.sources import FileSource
from edged.classify.model import open_model
from edged.errors import WorkerLost
from edged.features.spec import Micro
from edged.lane import Lane
from edged.records import Chunk

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray

    from edged.classify.bundle import Bundle
    from edged.classify.model import Model
    from edged.records import Event, Frames, Pcm, Scores


@pytest.fixture
def lane() -> Iterator[Lane]:
    bundle = nabu()
    made = Lane(bundle, open_model(bundle))
    yield made
    made.close()


@pytest.fixture(scope="session")
def samples(okay_nabu: Path) -> Pcm:
    return np.concatenate([chunk.samples for chunk in FileSource(okay_nabu).chunks()])


def chunks(samples: Pcm, sizes: list[int], *, rate_hz: int = 22050, began_ns: int = 0) -> Iterator[Chunk]:
    """Cut a recording into chunks of these sizes, over and over, as a live source would stamp them."""
    first = at = 0
    while first < len(samples):
        piece = samples[first : first + sizes[at % len(sizes)]]
        ended_ns = began_ns + (first + len(piece)) * 1_000_000_000 // rate_hz
        yield Chunk(piece, rate_hz=rate_hz, first=first, ended_ns=ended_ns, fresh=first == 0)
        first, at = first + len(piece), at + 1


def heard(lane: Lane, pieces: Iterator[Chunk]) -> list[Event]:
    return [event for chunk in pieces for event in lane.hear(chunk)] + lane.finish()


def test_hears_both_words(lane: Lane, samples: Pcm) -> None:
    events = heard(lane, chunks(samples, [1411]))
    assert [event.decision.label for event in events] == ["okay_nabu", "okay_nabu"]
    assert [event.decision.kind for event in events] == ["detection", "detection"]
    assert 1.5 < events[0].at_s < 3.0 < events[1].at_s < 6.0
    assert all(-40 < event.level_dbfs < 0 for event in events)


@settings(max_examples=8, deadline=None)
@given(sizes=st.lists(st.integers(1, 9000), min_size=1, max_size=6))
def test_any_chunking_decides_the_same(sizes: list[int], samples: Pcm) -> None:
    bundle = nabu()
    assert sum(sizes) / len(sizes) > 0
    sizes = [max(size, 200) for size in sizes]  # thousands of one-sample chunks would only be slow
    whole, cut = Lane(bundle, open_model(bundle)), Lane(bundle, open_model(bundle))
    one = heard(whole, chunks(samples, [len(samples)], began_ns=5))
    many = heard(cut, chunks(samples, sizes, began_ns=5))
    assert [event.decision for event in one] == [event.decision for event in many]
    assert [event.level_dbfs for event in one] == pytest.approx([event.level_dbfs for event in many])
    assert whole.windows == cut.windows


def test_a_fresh_chunk_is_a_new_beginning(lane: Lane, samples: Pcm) -> None:
    """The word is cut in two by a gap: neither half may be joined to the other."""
    word_at = heard(lane, chunks(samples, [1411]))[0].at_s
    cut = round((word_at - 0.35) * 22050)
    halves = [*chunks(samples[: cut - 2000], [1411]), *chunks(samples[cut : round(word_at * 22050) + 4000], [1411])]
    assert heard(lane, iter(halves)) == []


def test_after_a_break_it_is_as_new(lane: Lane, samples: Pcm) -> None:
    first = heard(lane, chunks(samples, [1411]))
    rng = np.random.default_rng(1)
    noise = rng.integers(-9000, 9000, (22050, 1)).astype(np.int16)
    heard(lane, chunks(noise, [1411]))
    again = heard(lane, chunks(samples, [1411]))
    assert [event.decision for event in again] == [event.decision for event in first]


def test_times_come_from_the_sample_count(lane: Lane, samples: Pcm) -> None:
    """Late chunks shift when the words are said to have been heard, never where in the stream they are."""
    on_time = heard(lane, chunks(samples, [1411], began_ns=7_000_000_000))
    assert [event.at_ns for event in on_time] == pytest.approx(
        [7_000_000_000 + event.at_s * 1e9 for event in on_time], abs=100_000
    )
    assert {event.stream_ns for event in on_time} == {7_000_000_000}
    late = (replace(chunk, ended_ns=chunk.ended_ns + 40_000_000) for chunk in chunks(samples, [1411]))
    assert [event.at_s for event in heard(lane, late)] == [event.at_s for event in on_time]


def test_a_stream_that_starts_in_the_middle_counts_from_there(lane: Lane, samples: Pcm) -> None:
    """After a break without a fresh chunk the source's own count goes on; the lane's begins anew."""
    shifted = [replace(chunk, first=chunk.first + 99_999, fresh=False) for chunk in chunks(samples, [1411])]
    plain = heard(lane, chunks(samples, [1411]))
    events = heard(lane, iter(shifted))
    assert [event.at_s for event in events] == [event.at_s for event in plain]
    assert [event.at_ns for event in events] == pytest.approx([event.at_ns for event in plain], abs=2)


def test_stereo_and_another_rate_are_converted(lane: Lane, samples: Pcm) -> None:
    stereo = np.repeat(samples, 2, axis=1)
    events = heard(lane, chunks(stereo, [1411]))
    assert [event.decision for event in events] == [event.decision for event in heard(lane, chunks(samples, [1411]))]


def test_the_heir_loses_no_window(samples: Pcm) -> None:
    """Swapped in the middle of the stream, the count of windows and the second word are as if nothing had happened."""
    bundle = nabu()
    plain, old, heir = (Lane(bundle, open_model(bundle)) for _ in range(3))
    expected = heard(plain, chunks(samples, [1411]))
    pieces = list(chunks(samples, [1411]))
    half = len(pieces) // 2
    events = [event for chunk in pieces[:half] for event in old.hear(chunk)] + old.resign()
    old.succeed(heir)
    events += [event for chunk in pieces[half:] for event in heir.hear(chunk)] + heir.finish()
    assert heir.windows == plain.windows
    assert events[-1].decision.at == expected[-1].decision.at


class Failing:
    """A model that answers so many windows, and then fails."""

    def __init__(self, inner: Model, answers: int) -> None:
        self.labels, self._inner, self._answers = inner.labels, inner, answers

    def scores(self, frames: Frames) -> NDArray[np.float32]:
        self._answers -= 1
        if self._answers < 0:
            raise WorkerLost("it died")
        return self._inner.scores(frames)

    def reset(self) -> None:
        self._inner.reset()

    def interrupt(self) -> None:
        self._inner.interrupt()

    def close(self) -> None:
        self._inner.close()


def ends_of(bundle: Bundle, model: Model, ends: list[int]) -> Lane:
    """A lane that notes where each window ends."""
    return Lane(bundle, model, watch=lambda scores, _smoothed: ends.append(scores.ends))


@given(size=st.integers(100, 20_000), swap_at=st.floats(0.1, 0.9), answers=st.integers(0, 3))
@settings(max_examples=25, deadline=None)
def test_a_failing_heir_gives_back_the_very_window_that_it_failed_on(
    samples: Pcm, size: int, swap_at: float, answers: int
) -> None:
    bundle = nabu()
    plain: list[int] = []
    heard(ends_of(bundle, open_model(bundle), plain), chunks(samples, [size]))
    ends: list[int] = []
    old = ends_of(bundle, open_model(bundle), ends)
    heir = ends_of(bundle, Failing(open_model(bundle), answers), ends)
    pieces = list(chunks(samples, [size]))
    middle = int(swap_at * len(pieces))
    lane = old
    for number, piece in enumerate(pieces):
        if number == middle:
            old.succeed(heir)
            lane = heir
        try:
            lane.hear(piece)
        except WorkerLost:
            lane.resign()
            lane.succeed(old)
            lane = old
            lane.catch_up()
    try:
        lane.finish()
    except WorkerLost:
        lane.succeed(old)
        lane = old
        lane.catch_up()
    assert ends == plain
    assert lane.windows == len(plain)


def test_an_heir_with_another_window_begins_anew_and_so_does_the_old_one_after_it(samples: Pcm) -> None:
    """Nothing that one lane heard may come out of the other later."""
    bundle = nabu()
    other = replace(bundle, front_end=Micro(every=2))
    ends: list[int] = []
    old, heir = ends_of(bundle, open_model(bundle), ends), Lane(other, open_model(other))
    pieces = list(chunks(samples, [1411]))
    for lane, some in ((old, pieces[:20]), (heir, pieces[20:40]), (old, pieces[40:])):
        if lane is heir:
            old.succeed(heir)
        elif some[0].first:
            heir.succeed(old)
            ends.clear()
        for piece in some:
            lane.hear(piece)
    assert ends[0] == 480 + 160 * 2  # of a stream that begins with the first chunk after the return


def test_watch_sees_every_window(samples: Pcm) -> None:
    bundle = nabu()
    seen: list[tuple[int, float]] = []

    def watch(scores: Scores, smoothed: NDArray[np.float64]) -> None:
        seen.append((scores.ends, float(smoothed[0])))

    lane = Lane(bundle, open_model(bundle), watch=watch)
    heard(lane, chunks(samples, [1411]))
    assert len(seen) == lane.windows
    assert [ends for ends, _ in seen[:3]] == [480 + 160 * 2, 480 + 160 * 5, 480 + 160 * 8]
    assert max(score for _, score in seen) > bundle.policies["okay_nabu"].threshold
