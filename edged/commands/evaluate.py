"""`edged evaluate`: how good a model is, on clips and on continuous sound."""

from __future__ import annotations

import math
import os
from typing import TYPE_CHECKING

from edged.classify.bundle import open_bundle
from edged.errors import ConfigError
from edged.progress import progress
from edged.workshop.chosen import clips_of, is_sound
from edged.workshop.evaluate import evaluate_clips, evaluate_streams
from edged.workshop.pictures import see_matplotlib
from edged.workshop.report import report
from edged.workshop.results import Evaluation, facts_of, merge
from edged.workshop.results_file import read_results, to_json
from edged.workshop.streams import recorded, woven
from edged.workshop.summary import clip_rows, said_rows, sentences, stream_rows, text_table
from edged.workshop.whole import see_writable, write_whole

if TYPE_CHECKING:
    import argparse

    from edged.classify.bundle import Bundle
    from edged.workshop.dataset import Clip
    from edged.workshop.results import ClipResult, StreamResult
    from edged.workshop.streams import Stream


def run(arguments: argparse.Namespace) -> int:
    """Evaluate, or add up evaluations; print what was found, and write the report."""
    _consistent(arguments)
    found = merge([read_results(path) for path in arguments.merge]) if arguments.merge else _evaluated(arguments)
    if arguments.report is not None:
        write_whole(arguments.report, report(found).encode())
    print(to_json(found) if arguments.json else _in_words(found))
    return 0


def _consistent(arguments: argparse.Namespace) -> None:
    """See that what is typed makes sense together, before anything is heard."""
    heard = [*arguments.clips, *arguments.stream, *arguments.stream_from]
    if arguments.merge and (arguments.model or heard):
        raise ConfigError("adds up what was heard already", key="--merge", way_out="Leave out the model and the sound")
    if not arguments.merge and arguments.model is None:
        raise ConfigError("is missing", key="MODEL", way_out="Name a bundle, .json, .tflite or .eim, or use --merge")
    if not arguments.merge and not heard:
        raise ConfigError("there is nothing to hear", way_out="Add --clips, --stream-from, or --stream with --truth")
    if len(arguments.stream) != len(arguments.truth):
        what = f"there are {len(arguments.stream)} recordings and {len(arguments.truth)} truth files"
        raise ConfigError(what, key="--truth", way_out="Give one --truth for each --stream, in the same order")
    if arguments.snr and not arguments.noise:
        way_out = "Add --noise DATASET"
        raise ConfigError("a ratio needs noise", key="--snr", value=arguments.snr[0], way_out=way_out)
    for key, value in [("--tolerance", arguments.tolerance), *(("--snr", snr_db) for snr_db in arguments.snr)]:
        if not math.isfinite(value) or (key == "--tolerance" and value < 0):
            raise ConfigError("is out of range", key=key, value=value, way_out="Give a number, such as 0.75 or 10")
    if arguments.jobs is not None and arguments.jobs < 1:
        raise ConfigError("is out of range", key="--jobs", value=arguments.jobs, way_out="Give 1 or more")
    if arguments.report is not None:
        see_writable(arguments.report)
        see_matplotlib()


def _evaluated(arguments: argparse.Namespace) -> Evaluation:
    bundle = open_bundle(arguments.model)
    if not bundle.policies:
        raise ConfigError("every label of the model is background", file=bundle.path, way_out="Use another model")
    jobs = arguments.jobs or len(os.sched_getaffinity(0))
    noise = clips_of(arguments.noise)
    streams = _streams(arguments, bundle, noise)
    clips = clips_of(arguments.clips, split=arguments.split, role=arguments.role) if arguments.clips else ()
    return Evaluation(
        models=(facts_of(bundle),),
        clips=_clip_results(arguments, bundle, clips, noise, jobs),
        streams=_stream_results(arguments, bundle, streams, jobs),
        tolerance_s=arguments.tolerance,
    )


def _streams(arguments: argparse.Namespace, bundle: Bundle, noise: tuple[Clip, ...]) -> list[Stream]:
    streams = []
    for path, truth in zip(arguments.stream, arguments.truth, strict=True):
        is_sound(path)
        streams.append(recorded(path, truth, labels=bundle.policies))
    if arguments.stream_from:
        clips = clips_of(arguments.stream_from, split=arguments.split, role=arguments.role)
        name = arguments.stream_from[0].resolve().name
        shape = {"labels": bundle.policies, "seed": arguments.seed, "name": name}
        streams += woven(clips, **shape)
        for snr_db in dict.fromkeys(arguments.snr):
            streams += woven(clips, snr_db=snr_db, noise=noise, **shape)
    return streams


def _stream_results(
    arguments: argparse.Namespace, bundle: Bundle, streams: list[Stream], jobs: int
) -> tuple[StreamResult, ...]:
    if not streams:
        return ()
    shape = {"tolerance_s": arguments.tolerance, "jobs": min(jobs, len(streams))}
    with progress("hearing streams", len(streams), unit="streams") as bar:
        return evaluate_streams(bundle, streams, advanced=bar, **shape)


def _clip_results(
    arguments: argparse.Namespace, bundle: Bundle, clips: tuple[Clip, ...], noise: tuple[Clip, ...], jobs: int
) -> tuple[ClipResult, ...]:
    if not clips:
        return ()
    ratios = set(arguments.snr)
    shape = {"seed": arguments.seed, "snrs_db": ratios, "noise": noise, "jobs": jobs}
    with progress("hearing clips", len(clips) * (1 + len(ratios)), unit="clips") as bar:
        return evaluate_clips(bundle, clips, advanced=bar, **shape)


def _in_words(found: Evaluation) -> str:
    parts = ["\n".join(sentences(found))]
    if found.streams:
        parts.append(text_table(stream_rows(found)))
    if found.clips:
        parts.append(text_table(clip_rows(found)))
    results: list[StreamResult | ClipResult] = [*found.streams, *found.clips]
    for result in results:
        if any(accepts for _, accepts in result.said.values()):
            parts.append(text_table([row for row in said_rows(result) if row[2] != "0"]))
            break
    return "\n\n".join(parts)
