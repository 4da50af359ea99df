"""What a bundle's `manifest.json` may hold, as frozen pydantic models: read whole, or refused with the key at fault.

docs/MODELS.md explains every key. Unknown keys are refused, with the nearest known one named: a misspelt `treshold`
must not leave a model at its default for a year.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field, ValidationError, ValidationInfo, field_validator

from edged.errors import ModelError
from edged.mistakes import WAYS_OUT, dotted, nearest
from edged.records import Policy

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from pydantic_core import ErrorDetails

SCHEMA: Final = 1
"""The manifest format that this edged writes, and the only one so far that it reads."""
MAX_LABELS: Final = 10_000

Name: TypeAlias = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]+$", max_length=64)]
Label: TypeAlias = Annotated[str, Field(min_length=1, max_length=200)]
Text: TypeAlias = Annotated[str, Field(max_length=10_000)]
Share: TypeAlias = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
Seconds: TypeAlias = Annotated[float, Field(ge=0, le=86_400, allow_inf_nan=False)]
Count: TypeAlias = Annotated[int, Field(ge=1, le=1_000_000)]


class Table(BaseModel):
    """One object of the manifest."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Decide(Table):
    """How scores become decisions: `edged.records.Policy`, each field of it optional."""

    kind: Literal["detection", "sound"] = "detection"
    threshold: Share = 0.5
    release: Share | None = None
    mean_of: Count = 1
    n: Count = 1
    of_m: Count = 1
    refractory_s: Seconds = 0.0
    min_s: Seconds = 0.0
    max_s: Seconds | None = None
    update_s: Annotated[float, Field(gt=0, le=86_400)] = 10.0

    def given(self) -> dict[str, Any]:
        """Only the fields that were written."""
        return self.model_dump(exclude_unset=True)


class Provenance(Table):
    """Where the model comes from, for people."""

    trained_by: Text = ""
    data: Text = ""
    licence: Text = ""
    date: Text = ""
    notes: Text = ""


class Manifest(Table):
    """The whole file."""

    edged_bundle: Literal[1]
    name: Name
    version: Text = ""
    description: Text = ""
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    labels: tuple[Label, ...] = Field(min_length=1, max_length=MAX_LABELS)
    background: tuple[Label, ...] = ()
    front_end: dict[str, Any]
    window_frames: Count
    hop_frames: Count
    output: Literal["posterior", "softmax", "sigmoid"] = "posterior"
    policy: Decide = Decide()
    policies: dict[Label, Decide] = {}
    provenance: Provenance = Provenance()
    runtime: Text = ""

    @field_validator("labels")
    @classmethod
    def _distinct(cls, labels: tuple[str, ...]) -> tuple[str, ...]:
        if twice := [label for label, count in Counter(labels).items() if count > 1]:
            raise ValueError(f"{twice[0]!r} stands there twice")
        return labels

    @field_validator("background", "policies")
    @classmethod
    def _labels_that_exist(cls, named: Any, info: ValidationInfo) -> Any:
        labels = info.data.get("labels", named)  # absent when they are wrong themselves
        for label in named:
            if label not in labels:
                raise ValueError(f"there is no label {label!r}{nearest(label, labels)}")
        return named


def read_manifest(data: bytes, *, file: str | Path) -> Manifest:
    """The manifest that these bytes hold.

    Raises:
        ModelError: They hold none, with the file, the key, the value and the way out.
    """
    try:
        return Manifest.model_validate_json(data)
    except ValidationError as error:
        raise _wrong(error.errors()[0], file=file) from None


def write_manifest(manifest: Mapping[str, Any], *, file: str | Path) -> bytes:
    """A manifest's bytes, valid, and the same for the same content.

    Raises:
        ModelError: The content would not be read again.
    """
    data = json.dumps(manifest, indent=2, ensure_ascii=False).encode() + b"\n"
    read_manifest(data, file=file)
    return data


def written(policy: Policy) -> dict[str, Any]:
    """A policy as a manifest writes it: what is as by default is left out."""
    default = asdict(Policy())
    return {key: value for key, value in asdict(policy).items() if value != default[key]}


def check_policy(overrides: Mapping[str, object], *, file: str | Path, key: str) -> dict[str, Any]:
    """Keywords of `Policy` as a caller gives them, checked one by one.

    Raises:
        ModelError: One is unknown or out of range.
    """
    try:
        return Decide.model_validate(dict(overrides)).given()
    except ValidationError as error:
        raise _wrong(error.errors()[0], file=file, under=key) from None


def _wrong(found: ErrorDetails, *, file: str | Path, under: str = "") -> ModelError:
    place, value = found["loc"], found["input"]
    what, way_out = re.sub("^(Input|String|Value) ", "", found["msg"]), WAYS_OUT.get(found["type"], "Mend that value")
    match found["type"]:
        case "extra_forbidden":
            known = _keys_of(place[:-1], under=under)
            near = nearest(str(place[-1]), known)
            what = f"is not a known key{near}"
            way_out = "Rename it, or take it out" if near else f"Take it out; known here are {', '.join(known)}"
        case "missing":
            value, what, way_out = None, "is missing", "Add it"
        case "json_invalid":
            value, what, way_out = None, found["msg"], "Mend the file, or fetch the bundle anew"
        case "value_error":
            what, way_out = str(found["ctx"]["error"]), "Mend one of the two"
        case "literal_error" if place == ("edged_bundle",):
            what, way_out = "is a format that this edged does not know", f"Write {SCHEMA}, or upgrade edged"
    shown = value if isinstance(value, str | int | float) and found["type"] != "json_invalid" else None
    key = ".".join(part for part in (under, dotted(place)) if part)
    return ModelError(what, file=file, key=key or None, value=shown, way_out=way_out)


def _keys_of(place: tuple[str | int, ...], *, under: str) -> tuple[str, ...]:
    match place:
        case ("provenance",):
            return tuple(Provenance.model_fields)
        case ("policy",) | ("policies", _):
            return tuple(Decide.model_fields)
    return tuple(Decide.model_fields if under else Manifest.model_fields)
