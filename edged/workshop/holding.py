"""Whether one board, by its name, can hold a plan; refused with the numbers where it cannot."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edged.errors import ConfigError, ModelError
from edged.workshop.boards import boards_file, read_boards, shortfalls

if TYPE_CHECKING:
    from pathlib import Path


def check_held(
    board: str, *, model: Path, plan_bytes: int, arena_bytes: int, boards: Path | None = None, known_only: bool = True
) -> None:
    """See that a board can hold a plan.

    Args:
        board: A key of boards.toml.
        model: Whose plan it is.
        plan_bytes: Of the plan file.
        arena_bytes: That it works in.
        boards: Another file than the one that came with edged.
        known_only: Whether a board that the file does not have is refused, or passes unseen.

    Raises:
        ConfigError: There is no such file, it is wrong, or has no such board.
        ModelError: The board cannot hold it.
    """
    file = boards or boards_file()
    if file is None:
        if not known_only:
            return
        way_out = "Name one with --boards"
        raise ConfigError("this edged came without boards.toml", key="--board", value=board, way_out=way_out)
    known = read_boards(file).boards
    if board not in known:
        if not known_only:
            return
        way_out = f"Name one of {', '.join(known)}"
        raise ConfigError(f"is no board of {file}", key="--board", value=board, way_out=way_out)
    reasons = shortfalls(known[board], plan_bytes=plan_bytes, arena_bytes=arena_bytes)
    if reasons:
        what = f"the {known[board].name} cannot hold it: {'; '.join(reasons)}"
        raise ModelError(what, file=model, way_out="Make the model smaller, or take a larger board")
