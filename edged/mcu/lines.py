"""One line of any sketch: what it says of sounds. Sans-IO; docs/BOARDS.md tells users what they may print.

    dog: 0.93                                   a score            dog:0.93,cat:0.02      scores of one moment
    {"dog": 0.93, "cat": 0.02}                  the same           [dog: 0.93, cat: 0.02]        likewise
    {"label": "dog", "score": 0.93}             a score            dog: 93%                      a score
    {"event": "dog", "score": 0.93}             an event: the sketch has decided itself
    {"kind": "start", "label": "dog", …}        likewise
    Heard yes (203) @5012ms                     likewise, as TensorFlow Lite Micro's micro_speech prints it
    Timing: DSP 140 ms, inference 4 ms, …       how long an inference took, as Edge Impulse's examples print it
    0.12,-3.5,9.81                              samples, for `edged board record`

A score is a share, 0 to 1: a line with another number is no score but the sketch's own talk, and no error.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias, get_args

from edged.mcu.board import BoardEvent
from edged.records import EventKind

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

MAX_LABEL = 64
"""Characters; what is longer is no label."""
HEARD_ONE = 255
"""What a uint8 says of certainty."""
DAY_MS = 86_400_000

NUMBER = r"[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?"
_LABEL = r"[^\s:=,;|\"'\[\]{}()<>](?:[^:=,;|\"'\[\]{}()<>\t]{0,62}[^\s:=,;|\"'\[\]{}()<>])?"
_PAIR = re.compile(
    rf"""\s*(["']?)(?P<label>{_LABEL})\1\s*[:=]\s*(?P<score>{NUMBER})\s?(?P<percent>%?)(?![^\s,;|])\s*"""
)
_SEPARATOR = re.compile(r"[,;|]?")
_BRACKETS = {"[": "]", "{": "}", "(": ")"}
_HEARD = re.compile(r"\bheard:? (?P<label>\S{1,64}) \((?P<score>\d{1,3})\)", re.IGNORECASE)
"""`Heard %s (%d) @%dms`: tflite-micro examples/micro_speech/command_responder.cc; the score is of 255."""
_TIMED = re.compile(r"^(?:Timing: |Predictions \()", re.IGNORECASE)
_TIMES = re.compile(r"\b(DSP|Classification|inference):? (\d+(?:\.\d+)?) ?(us|ms)", re.IGNORECASE)
_ROW = re.compile(rf"\s*{NUMBER}(?:[\s,;]+{NUMBER})*[\s,;]*")
_NEVER = frozenset({"match", "anomaly", "anomaly score", "anomaly prediction", "frame size", "no. of classes"})
"""What Edge Impulse prints beside scores (inferencing-sdk-cpp: ei_print_results.h; firmware-arduino-nicla-voice)."""
_KINDS: Mapping[str, EventKind] = {kind: kind for kind in get_args(EventKind)}
_SCORE_KEYS = ("score", "value", "confidence", "probability")
_HOLDERS = ("scores", "predictions", "classification", "results", "result")


@dataclass(frozen=True, slots=True)
class Scored:
    """Scores of one moment."""

    scores: Mapping[str, float]
    """By label, each 0 to 1; at least one."""


@dataclass(frozen=True, slots=True)
class Told:
    """An event that the sketch itself decided."""

    event: BoardEvent


@dataclass(frozen=True, slots=True)
class Timed:
    """How long the last inference took."""

    features_ms: float | None
    inference_ms: float | None


@dataclass(frozen=True, slots=True)
class Row:
    """Nothing but numbers: samples."""


Said: TypeAlias = Scored | Told | Timed | Row


def read(line: str) -> Said | None:
    """What a line says; None where it is the sketch's own talk."""
    line = line.strip()
    if line.startswith(("{", "[")) and (told := _json(line)) is not None:
        return _object(told)
    if _TIMED.match(line):
        return times(line)
    if _ROW.fullmatch(line):
        return Row()
    if (heard := _HEARD.search(line)) and int(heard["score"]) <= HEARD_ONE:
        return Told(_event("detection", heard["label"], int(heard["score"]) / HEARD_ONE))
    scores = _pairs(line)
    return Scored(scores) if scores else None


def times(line: str) -> Timed:
    """The times in a line of Edge Impulse's, in ms."""
    found = {
        name.lower(): float(number) / (1000 if unit.lower() == "us" else 1)
        for name, number, unit in _TIMES.findall(line)
    }
    return Timed(found.get("dsp"), found.get("inference", found.get("classification")))


def share(told: object) -> float | None:
    """A score, 0 to 1, of what JSON or text may give as one; None where it is none."""
    if isinstance(told, str):
        number = re.fullmatch(rf"\s*({NUMBER})\s*(%?)\s*", told[:MAX_LABEL])
        told = None if number is None else float(number[1]) / (100 if number[2] else 1)
    if isinstance(told, bool) or not isinstance(told, int | float) or not 0 <= told <= 1:
        return None
    return float(told)


def label(told: object) -> str | None:
    """A label, without spaces around it; None where it is none."""
    if not isinstance(told, str):
        return None
    told = told.strip()
    return told if 0 < len(told) <= MAX_LABEL and told.isprintable() and told.lower() not in _NEVER else None


def _pairs(line: str) -> dict[str, float]:
    """`label: score`, once or more; empty where anything else is on the line."""
    if line[:1] in _BRACKETS and line.endswith(_BRACKETS[line[0]]):
        line = line[1:-1]
    scores: dict[str, float] = {}
    at = 0
    while at < len(line):
        pair = _PAIR.match(line, at)
        if pair is None:
            return {}
        score = share(pair["score"] + pair["percent"])
        if score is None and pair["label"].lower() not in _NEVER:
            return {}
        if score is not None and (name := label(pair["label"])) is not None:
            scores[name] = score
        separator = _SEPARATOR.match(line, pair.end())
        at = pair.end() if separator is None else separator.end()
    return scores


def _json(line: str) -> Any:
    try:
        return json.loads(line)
    except (ValueError, RecursionError):
        return None


def _object(told: Any) -> Said | None:
    """What a JSON object, or an array of them, says."""
    if not isinstance(told, dict):
        scores = _listed(told) if isinstance(told, list) else {}
        return Scored(scores) if scores else None
    keys = {key.lower(): value for key, value in told.items()}
    if "event" in keys or "kind" in keys:
        return _decided(keys)
    for holder in _HOLDERS:
        if isinstance(keys.get(holder), dict | list):
            return _object(keys[holder])
    if "label" in keys:
        scores = _listed([told])
    else:
        scores = _named(told.items())
        if len(scores) < len(told.keys() - _NEVER):
            scores = {}
    return Scored(scores) if scores else None


def _named(told: Iterable[tuple[str, Any]]) -> dict[str, float]:
    found = ((label(name), share(score)) for name, score in told)
    return {name: score for name, score in found if name is not None and score is not None}


def _listed(told: list[Any]) -> dict[str, float]:
    """Objects with a label and a score each; empty where one is not."""
    scores = {}
    for each in told:
        keys = {key.lower(): value for key, value in each.items()} if isinstance(each, dict) else {}
        name, score = label(keys.get("label")), _score(keys)
        if name is None or score is None:
            return {}
        scores[name] = score
    return scores


def _score(keys: Mapping[str, Any]) -> float | None:
    """The score beside a label; where none is, it is certain."""
    given = [keys[key] for key in _SCORE_KEYS if key in keys]
    return share(given[0]) if given else 1.0


def _decided(keys: Mapping[str, Any]) -> Told | None:
    """An event: the label is in `event`, or beside it or `kind`, or in an object that `event` is."""
    event = keys.get("event")
    if isinstance(event, dict):
        return _decided(
            {"event": True, **{key.lower(): value for key, value in event.items() if key.lower() != "event"}}
        )
    word = keys.get("kind", event)
    kind = _KINDS.get(word.lower()) if isinstance(word, str) else None
    if "kind" in keys and kind is None:
        return None
    name = label(keys.get("label", keys.get("name", event)))
    score = _score(keys)
    if name is None or score is None or ("label" not in keys and name.lower() in _KINDS):
        return None
    lasted = keys.get("duration_ms", 0)
    if isinstance(lasted, bool) or not isinstance(lasted, int | float) or not 0 <= lasted <= DAY_MS:
        return None
    return Told(_event(kind or "detection", name, score, duration_ms=round(lasted)))


def _event(kind: EventKind, name: str, score: float, *, duration_ms: int = 0) -> BoardEvent:
    return BoardEvent(kind=kind, label=name, score=score, peak=score, mean=score, duration_ms=duration_ms)
