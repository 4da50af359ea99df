"""`edged calibrate`: a threshold for one room, from its own ordinary sound."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from edged.audio.files import duration_s
from edged.classify.bundle import open_bundle
from edged.config import control_socket
from edged.errors import ConfigError
from edged.progress import progress
from edged.workshop.calibrate import alarms_at, calibrate, cross_checked, policies_of, recalled, snippet
from edged.workshop.chosen import clips_of, is_sound
from edged.workshop.dataset import folds
from edged.workshop.evaluate import Alone, needed
from edged.workshop.room import listened
from edged.workshop.scoring import Recording, score_all
from edged.workshop.summary import duration, number, percent
from edged.workshop.whole import see_writable, write_whole

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator, Mapping

    from edged.classify.bundle import Bundle
    from edged.records import Policy
    from edged.workshop.calibrate import Calibration, Held
    from edged.workshop.scoring import Scored


@dataclass(frozen=True, slots=True)
class Cost:
    """What a threshold costs in recall."""

    clips: int
    own: int
    """Recognised at the model's own thresholds."""
    calibrated: int
    """Recognised at the new one."""


def run(arguments: argparse.Namespace) -> int:
    """Calibrate, and say what can be promised; 1 where that is less than was asked."""
    _consistent(arguments)
    bundle = open_bundle(arguments.model)
    policies = policies_of(bundle, arguments.label)
    parts = _room(arguments, bundle)
    room = [group for part in parts for group in part]
    found = calibrate(room, policies=policies, alarms_per_day=arguments.alarms_per_day)
    own = alarms_at(None, room, policies=policies)
    cost = _cost(arguments, bundle, policies, found.threshold)
    held: tuple[Held, ...] = ()
    if arguments.folds is not None:
        held = cross_checked(parts, policies=policies, alarms_per_day=arguments.alarms_per_day)
    if arguments.json:
        print(_as_json(found, own=own, cost=cost, held=held))
    else:
        print("\n".join(_in_words(found, own=own, cost=cost, held=held)))
    if arguments.write is not None and found.promised:
        write_whole(arguments.write, snippet(found, name=bundle.name, policies=policies).encode())
    return 0 if found.promised else 1


def _consistent(arguments: argparse.Namespace) -> None:
    """See that what is typed makes sense, before hours are heard."""
    if not 0 < arguments.alarms_per_day < float("inf"):
        way_out = "Give a number above 0, such as 1, or 0.14 for one a week"
        raise ConfigError("is no rate", key="--alarms-per-day", value=arguments.alarms_per_day, way_out=way_out)
    if not 0 < arguments.minutes < float("inf"):
        raise ConfigError("is no length", key="--minutes", value=arguments.minutes, way_out="Give a number above 0")
    if arguments.jobs is not None and arguments.jobs < 1:
        raise ConfigError("is out of range", key="--jobs", value=arguments.jobs, way_out="Give 1 or more")
    if arguments.write is not None:
        see_writable(arguments.write)
    if arguments.folds is not None and not arguments.room:
        raise ConfigError("needs groups", key="--folds", value=arguments.folds, way_out="Give the room as a --room")
    if arguments.folds is not None and arguments.folds < 2:  # noqa: PLR2004 - one to calibrate on, one to count in
        raise ConfigError("is too few", key="--folds", value=arguments.folds, way_out="Ask for 2 or more")


def _room(arguments: argparse.Namespace, bundle: Bundle) -> list[list[list[Scored]]]:
    """The room's sound, scored: in as many parts as it is to be held against itself, each by speaker or file."""
    if arguments.source is not None:
        socket, seconds = control_socket(arguments.config), 60 * arguments.minutes
        with progress("listening", seconds) as bar:
            return [[listened(bundle, socket=socket, source=arguments.source, seconds=seconds, advanced=bar)]]
    clips = clips_of(arguments.room)
    files = arguments.audio or [clip.path for clip in clips]
    dealt = {} if arguments.folds is None else folds(clips, k=arguments.folds, seed=0)
    groups: dict[object, list[Scored]] = {}
    for file in files:
        is_sound(file)
    seconds = sum(duration_s(file) for file in files)
    jobs = min(arguments.jobs or len(os.sched_getaffinity(0)), len(files))
    done = 0.0
    with progress("hearing the room", seconds) as bar:
        for at, scored in enumerate(score_all(bundle, map(Recording, files), jobs=jobs)):
            groups.setdefault(clips[at].speaker if clips else files[at], []).append(scored)
            done += scored.seconds
            bar(done)
    if not dealt:
        return [list(groups.values())]
    return [[groups[speaker] for speaker, fold in dealt.items() if fold == k] for k in range(arguments.folds)]


def _cost(
    arguments: argparse.Namespace, bundle: Bundle, policies: Mapping[str, Policy], threshold: float
) -> Cost | None:
    clips = [clip for clip in clips_of(arguments.clips) if clip.label in policies]
    if not arguments.clips:
        return None
    if not clips:
        what, way_out = "none of its clips is of a label of the model", f"It reports {', '.join(policies)}"
        raise ConfigError(what, key="--clips", value=str(arguments.clips[0]), way_out=way_out)
    shortest = needed(bundle)
    sounds = (Alone(clip, shortest, None, (), (0, at)) for at, clip in enumerate(clips))
    jobs = min(arguments.jobs or len(os.sched_getaffinity(0)), len(clips))
    heard = []
    with progress("hearing clips", len(clips), unit="clips") as bar:
        for at, scored in enumerate(score_all(bundle, sounds, jobs=jobs)):
            heard.append((clips[at].label, scored))
            bar(at + 1)
    own, calibrated = (recalled(heard, each, policies=policies) for each in (None, threshold))
    return Cost(len(clips), own, calibrated)


def _as_json(found: Calibration, *, own: int, cost: Cost | None, held: tuple[Held, ...]) -> str:
    told = {
        **asdict(found),
        "promised": found.promised,
        "alarms_at_own_thresholds": own,
        "recall": None if cost is None else asdict(cost),
        "folds": [{**asdict(each), "inside": each.inside} for each in held],
    }
    return json.dumps(told)


def _in_words(found: Calibration, *, own: int, cost: Cost | None, held: tuple[Held, ...]) -> Iterator[str]:
    heard, asked = duration(found.hours), f"{number(found.asked_per_day)} a day"
    yield f"threshold {found.threshold:g} for {', '.join(found.labels)}"
    yield f"heard {heard}: {found.alarms} alarms at it, {own} at the model's own"
    yield f"that vouches for at most {number(found.vouched_per_day)} alarms a day (95 % upper bound)"
    if found.promised:
        yield f"asked: at most {asked}: promised"
    else:
        needed_h = duration(found.hours_needed)
        yield f"asked: at most {asked}: NOT promised; that needs {needed_h} without an alarm, and {heard} were heard"
    if cost is not None:
        now, was = percent(cost.calibrated / cost.clips), percent(cost.own / cost.clips)
        yield f"recall on {cost.clips} clips: {now}, and {was} at the model's own"
    for at, each in enumerate(held, start=1):
        low, high = each.expected
        verdict = "within" if each.inside else "OUTSIDE"
        threshold, length = each.calibration.threshold, duration(each.hours)
        yield f"fold {at}: threshold {threshold:g}: {each.alarms} alarms in {length}, {verdict} {low} to {high}"
    if held:
        yield f"{sum(each.inside for each in held)} of {len(held)} folds within the interval predicted for them"
