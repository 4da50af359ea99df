"""What every table of the TOML file is made of: its base, kinds of value, and what is wrong with one."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeAlias

from pydantic import AfterValidator, BaseModel, ConfigDict, Field
from pydantic_core import PydanticCustomError

if TYPE_CHECKING:
    from pydantic import ValidationInfo


def wrong(what: str, *, way_out: str) -> PydanticCustomError:
    """Make the error that a validator raises, carrying the way out to the message."""
    return PydanticCustomError("edged", "{what}", {"what": what, "way_out": way_out})


def _beside_the_file(path: Path, info: ValidationInfo) -> Path:
    _no_nul(path)
    return Path(info.context["folder"], path) if info.context else path


def _no_nul(text: str | Path) -> str | Path:
    if "\0" in str(text):
        raise wrong("holds a NUL, which no name and no argument can", way_out="Leave it out")
    return text


FilePath: TypeAlias = Annotated[Path, Field(strict=False), AfterValidator(_beside_the_file)]
Words: TypeAlias = Annotated[
    tuple[Annotated[str, Field(min_length=1), AfterValidator(_no_nul)], ...], Field(strict=False)
]
Level: TypeAlias = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]+$", max_length=64)]
Credential: TypeAlias = Annotated[str, Field(pattern=r"^[A-Za-z0-9_.-]+$", max_length=255)]
Seconds: TypeAlias = Annotated[float, Field(ge=0, le=86_400, allow_inf_nan=False)]
Share: TypeAlias = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
Count: TypeAlias = Annotated[int, Field(ge=1, le=1_000_000)]
Votes: TypeAlias = Annotated[int, Field(ge=1, le=62)]
RateHz: TypeAlias = Annotated[int, Field(ge=4_000, le=384_000)]
Channels: TypeAlias = Annotated[int, Field(ge=1, le=32)]
Bounded: TypeAlias = Annotated[str, Field(min_length=1, max_length=1024)]


class Table(BaseModel):
    """One table of the file: frozen, no unknown keys, no guessing of types (``"1883"`` is not a number)."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, use_attribute_docstrings=True)
