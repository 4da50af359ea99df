"""Which boards can hold a model: `mcu-firmware/boards.toml`, and the verdict on each.

A board is asked three things. Has a slot of its flash room for the model? Has one piece of its RAM room for the arena,
beside what is the firmware's own? Does the firmware know its operators and types? Whether the board is fast enough is
not asked: that is measured on it, not reckoned from a file.
"""

from __future__ import annotations

import sys
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, TypeAlias

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from edged.errors import ConfigError, Mistakes
from edged.mistakes import mistakes

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from edged.mistakes import Place
    from edged.workshop.cost import Cost

CLONE: Final = Path("mcu-firmware", "boards.toml")
"""Below a clone of the project."""
INSTALLED: Final = Path("share", "edged") / CLONE
"""Below the prefix that edged was installed to; pyproject.toml has it so."""

Bytes: TypeAlias = Annotated[int, Field(ge=0, le=2**40)]
Text: TypeAlias = Annotated[str, Field(min_length=1, max_length=200)]
Texts: TypeAlias = Annotated[tuple[Text, ...], Field(strict=False, min_length=1)]


class Table(BaseModel):
    """One table of the file: frozen, no unknown keys, no guessing of types."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Firmware(Table):
    """What the firmware makes of a model."""

    operators: Texts
    types: Texts


class Ram(Table):
    """One piece of RAM."""

    name: Text
    bytes: Bytes
    firmware_bytes: Bytes

    @property
    def room_bytes(self) -> int:
        """What is left for an arena."""
        return self.bytes - self.firmware_bytes


class Board(Table):
    """One board."""

    name: Text
    chip: Text
    flash_bytes: Bytes
    firmware_bytes: Bytes
    slots: Annotated[int, Field(ge=1, le=16)]
    slot_bytes: Bytes
    ram: Annotated[tuple[Ram, ...], Field(strict=False, min_length=1)]


class Boards(Table):
    """The whole file."""

    firmware: Firmware
    boards: dict[Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]+$", max_length=64)], Board]


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether one board can hold one model, with the numbers."""

    board: str
    name: str
    chip: str
    flash_bytes: int
    """The model wants so much of it."""
    flash_room_bytes: int
    """A slot has so much."""
    ram_bytes: int
    """The arena wants so much of it."""
    ram_room_bytes: int
    """The largest free piece has so much."""
    reasons: tuple[str, ...]
    """Why it cannot, a clause each; none where it can."""

    @property
    def holds(self) -> bool:
        """Whether it can."""
        return not self.reasons


def boards_file(*, package: Path = Path(__file__).parents[1]) -> Path | None:
    """The file that came with this edged, a clone's or an installed one's; None where it came without."""
    # Only a clone has a pyproject.toml beside the package: site-packages may hold a folder of that name by chance.
    root = package.parent
    places = [root / CLONE] if (root / "pyproject.toml").is_file() else []
    return next((place for place in (*places, Path(sys.prefix) / INSTALLED) if place.is_file()), None)


def read_boards(file: Path) -> Boards:
    """Read a file of boards.

    Raises:
        ConfigError: It cannot be read, or something in it is wrong; all mistakes are told.
    """
    try:
        found = Boards.model_validate(_read(file))
    except ValidationError as error:
        # A typo first: what is missing then stands there, misspelt.
        findings = sorted(error.errors(), key=lambda each: each["type"] != "extra_forbidden")
        raise Mistakes(mistakes(findings, file=file, keys_of=_keys_of)) from None
    if wrong := list(_contradictions(found, file)):
        raise Mistakes(wrong)
    return found


def verdicts(cost: Cost, known: Boards, *, besides: tuple[str, ...] = ()) -> list[Verdict]:
    """Judge a model, by what it costs, on every board; `besides` are reasons why none can hold it."""
    return [_verdict(cost, board, key=key, known=known, besides=besides) for key, board in known.boards.items()]


def shortfalls(board: Board, *, plan_bytes: int, arena_bytes: int) -> list[str]:
    """What a board has too little of, a clause each, with the numbers."""
    ram = _largest(board)
    reasons = []
    if plan_bytes > board.slot_bytes:
        reasons.append(f"flash: it takes {plan_bytes:,} bytes, a slot has {board.slot_bytes:,}")
    if arena_bytes > ram.room_bytes:
        reasons.append(f"RAM: its arena takes {arena_bytes:,} bytes, {ram.name} has {ram.room_bytes:,} in one piece")
    return reasons


def _verdict(cost: Cost, board: Board, *, key: str, known: Boards, besides: tuple[str, ...]) -> Verdict:
    firmware = known.firmware
    wanted = cost.arena.total_bytes
    reasons = shortfalls(board, plan_bytes=cost.plan_bytes, arena_bytes=wanted)
    if strange := [name for name in cost.operators if name not in firmware.operators]:
        reasons.append(f"the firmware has no {', '.join(strange)}")
    if strange := [dtype for dtype in cost.types if dtype not in firmware.types]:
        reasons.append(f"the firmware does not work on {', '.join(strange)}")
    return Verdict(
        board=key,
        name=board.name,
        chip=board.chip,
        flash_bytes=cost.plan_bytes,
        flash_room_bytes=board.slot_bytes,
        ram_bytes=wanted,
        ram_room_bytes=_largest(board).room_bytes,
        reasons=(*reasons, *besides),
    )


def _largest(board: Board) -> Ram:
    return max(board.ram, key=lambda piece: piece.room_bytes)


def _contradictions(found: Boards, file: Path) -> Iterator[ConfigError]:
    """Find shares that are larger than the whole."""
    for key, board in found.boards.items():
        shared = board.firmware_bytes + board.slots * board.slot_bytes
        if shared > board.flash_bytes:
            what = f"with firmware_bytes, {board.slots} slots take {shared} bytes, more than flash_bytes"
            room = max(0, board.flash_bytes - board.firmware_bytes) // board.slots
            at = f"boards.{key}.slot_bytes"
            yield ConfigError(what, file=file, key=at, value=board.slot_bytes, way_out=f"Write {room} or less")
        for number, piece in enumerate(board.ram):
            if piece.firmware_bytes > piece.bytes:
                at = f"boards.{key}.ram[{number}].firmware_bytes"
                what, way_out = f"is more than the {piece.bytes} bytes there are", f"Write {piece.bytes} or less"
                yield ConfigError(what, file=file, key=at, value=piece.firmware_bytes, way_out=way_out)


def _read(file: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        what = f"cannot be read: {(error.strerror or str(error)).lower()}"
        raise ConfigError(what, file=file, way_out="Name a file of boards that is there, with --boards") from None
    except (ValueError, RecursionError) as error:  # no UTF-8, no TOML, a number too long, a nesting too deep
        raise ConfigError(f"is not TOML: {error}", file=file, way_out="Mend that line") from None


def _keys_of(place: Place) -> Iterable[str]:
    match place:
        case ():
            return Boards.model_fields
        case ("firmware",):
            return Firmware.model_fields
        case ("boards", _):
            return Board.model_fields
        case ("boards", _, "ram", _):
            return Ram.model_fields
    return ()
