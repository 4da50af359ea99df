"""What a bundle's `manifest.json` may hold, as frozen records: read whole, or refused with the key at fault.

docs/MODELS.md explains every key. Unknown keys are refused, with the nearest known one named: a misspelt `treshold`
must not leave a model at its default for a year.
"""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Final

from edged.classify.archive import MAX_MANIFEST_BYTES
from edged.classify.golden import GOLDEN
from edged.classify.head import Head, head_of
from edged.classify.values import (
    WrongValueError,
    array,
    choice,
    finite,
    mapping,
    number,
    obj,
    optional,
    table,
    text,
    whole,
)
from edged.errors import ModelError
from edged.records import Policy

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path
    from typing import NoReturn

    from edged.classify.values import Place

SCHEMA: Final = 1
"""The manifest format that this edged writes, and the only one so far that it reads."""
MAX_LABELS: Final = 10_000
MAX_NUMBERS: Final = 100_000
"""In one list; the file's own bound is nearer."""

_WHOLE_ANEW: Final = "Mend the file, or fetch the bundle anew"
_SECONDS: Final = number(low=0, high=86_400)
_COUNT: Final = whole(low=1, high=1_000_000)
_LABEL: Final = text(shortest=1, longest=200)
_DECIDE: Final = table(
    {
        "kind": choice("detection", "sound"),
        "threshold": number(low=0, high=1),
        "release": optional(number(low=0, high=1)),
        "mean_of": _COUNT,
        "n": _COUNT,
        "of_m": _COUNT,
        "refractory_s": _SECONDS,
        "min_s": _SECONDS,
        "max_s": optional(_SECONDS),
        "update_s": number(low=0, high=86_400, above=0),
    }
)
"""How scores become decisions: `edged.records.Policy`, each field of it optional."""
_PROVENANCE: Final = table({key: text() for key in ("trained_by", "data", "licence", "date", "notes")})
"""Where the model comes from, for people."""
_NUMBERS: Final = array(finite, most=MAX_NUMBERS)
_HEAD: Final = table(
    {
        "normalise": choice("none", "l2"),
        "centre": _NUMBERS,
        "weights": array(_NUMBERS, fewest=1, most=MAX_LABELS),
        "bias": _NUMBERS,
    },
    needed=("weights", "bias"),
)


def _schema(value: object, place: Place) -> int:
    if type(value) is not int or value != SCHEMA:
        way_out = f"Write {SCHEMA}, or upgrade edged"
        raise WrongValueError("is a format that this edged does not know", place, value=value, way_out=way_out)
    return value


_MANIFEST: Final = table(
    {
        "edged_bundle": _schema,
        "name": text(pattern="^[A-Za-z0-9_-]+$", longest=64, way_out="Use letters, digits, _ and - only"),
        "version": text(),
        "description": text(),
        "sha256": text(pattern="^[0-9a-f]{64}$", way_out="Write 64 hexadecimal digits, as sha256sum does"),
        "labels": array(_LABEL, fewest=1, most=MAX_LABELS),
        "background": array(_LABEL, most=MAX_LABELS),
        "front_end": obj,
        "window_frames": _COUNT,
        "hop_frames": _COUNT,
        "output": choice("posterior", "softmax", "sigmoid"),
        "head": _HEAD,
        "policy": _DECIDE,
        "policies": mapping(_LABEL, _DECIDE),
        "provenance": _PROVENANCE,
        "runtime": text(),
        "golden": GOLDEN,
    },
    needed=("edged_bundle", "name", "sha256", "labels", "front_end", "window_frames", "hop_frames"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """The whole file."""

    edged_bundle: int
    name: str
    version: str = ""
    description: str = ""
    sha256: str
    labels: tuple[str, ...]
    background: tuple[str, ...] = ()
    front_end: Mapping[str, Any]
    window_frames: int
    hop_frames: int
    output: Any = "posterior"
    head: Head | None = None
    policy: Mapping[str, Any] = field(default_factory=dict)
    """Fields of `Policy` that are written there."""
    policies: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """The same, by label."""
    provenance: Mapping[str, str] = field(default_factory=dict)
    runtime: str = ""
    golden: Mapping[str, Any] | None = None
    """What `edged.classify.golden.golden_of` makes one of."""


def read_manifest(data: bytes, *, file: str | Path) -> Manifest:
    """The manifest that these bytes hold.

    Raises:
        ModelError: They hold none, with the file, the key, the value and the way out.
    """
    try:
        told = _MANIFEST(_parsed(data), ())
        _check_labels(told)
        return Manifest(**told | {"head": head_of(told["head"]) if "head" in told else None})
    except WrongValueError as wrong:
        raise _error(wrong, file=file) from None
    except ModelError as wrong:  # of the head, which knows no file
        raise ModelError(wrong.what, file=file, key=wrong.key, value=wrong.value, way_out=wrong.way_out) from None


def write_manifest(manifest: Mapping[str, Any], *, file: str | Path) -> bytes:
    """A manifest's bytes, valid, and the same for the same content: a line for each key.

    Raises:
        ModelError: The content would not be read again.
    """
    lines = [f"  {json.dumps(key)}: {json.dumps(value, ensure_ascii=False)}" for key, value in manifest.items()]
    data = ("{\n" + ",\n".join(lines) + "\n}\n").encode()
    if len(data) > MAX_MANIFEST_BYTES:
        what, way_out = f"has {len(data)} bytes, and {MAX_MANIFEST_BYTES} are the most", "Give a smaller head"
        raise ModelError(what, file=file, way_out=way_out)
    read_manifest(data, file=file)
    return data


def written(policy: Policy) -> dict[str, Any]:
    """A policy as a manifest writes it: what is as by default is left out."""
    default = asdict(Policy())
    return {key: value for key, value in asdict(policy).items() if value != default[key]}


def check_policy(overrides: Mapping[str, object], *, file: str | Path, key: str) -> Mapping[str, Any]:
    """Keywords of `Policy` as a caller gives them, checked one by one.

    Raises:
        ModelError: One is unknown or out of range.
    """
    try:
        return dict(_DECIDE(dict(overrides), ()))
    except WrongValueError as wrong:
        raise _error(wrong, file=file, under=key) from None


def _parsed(data: bytes) -> object:
    try:
        return json.loads(data.decode(), parse_constant=_no_number)
    except UnicodeDecodeError as error:
        what = f"is not UTF-8 at byte {error.start}"
    except json.JSONDecodeError as error:
        what = f"is not JSON: {error.msg.lower()} at line {error.lineno} column {error.colno}"
    except ValueError as error:  # NaN, or a number of more digits than Python reads
        what = f"is not JSON: {error}"
    except RecursionError:
        what = "is not JSON: it is nested too deeply"
    raise WrongValueError(what, (), way_out=_WHOLE_ANEW)


def _no_number(word: str) -> NoReturn:
    raise ValueError(f"{word} is no number there")


def _check_labels(told: Mapping[str, Any]) -> None:
    """Check that labels are distinct, and that what is said of a label is said of one of them."""
    labels = told["labels"]
    if twice := [label for label, count in Counter(labels).items() if count > 1]:
        raise WrongValueError(f"{twice[0]!r} stands there twice", ("labels",), way_out="Mend one of the two")
    for key in ("background", "policies"):
        _check_known(told.get(key, ()), labels, place=(key,))


def _check_known(named: Iterable[str], labels: tuple[str, ...], *, place: Place) -> None:
    for label in named:
        if label not in labels:
            from edged.mistakes import nearest  # noqa: PLC0415 - loads difflib, which only a mistake needs

            what = f"there is no label {label!r}{nearest(label, labels)}"
            raise WrongValueError(what, place, way_out="Mend one of the two")


def _error(wrong: WrongValueError, *, file: str | Path, under: str = "") -> ModelError:
    from edged.mistakes import dotted  # noqa: PLC0415 - as above

    shown = wrong.value if isinstance(wrong.value, str | int | float) else None
    key = ".".join(part for part in (under, dotted(wrong.place)) if part)
    return ModelError(wrong.what, file=file, key=key or None, value=shown, way_out=wrong.way_out)
