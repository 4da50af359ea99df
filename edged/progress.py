"""Progress bars on a terminal, and nothing at all anywhere else; the only importer of rich."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterator


class Bar(Protocol):
    """What a long task tells of itself."""

    def __call__(self, done: float, total: float | None = None) -> None:
        """Say how much is done, of how much."""


@contextmanager
def progress(what: str, total: float, *, unit: str = "s") -> Iterator[Bar]:
    """Show a bar on stderr while the block runs; where stderr is no terminal, show nothing and import nothing."""
    if not sys.stderr.isatty():
        yield lambda done, total=None: None  # noqa: ARG005 - the shape of a Bar
        return
    from rich.console import Console  # noqa: PLC0415 - 40 ms and 6 MB that only a terminal should pay
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn  # noqa: PLC0415 - as above

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.completed:.1f} / {task.total:.1f} " + unit),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as bars:
        task = bars.add_task(what, total=total)
        yield lambda done, total=None: bars.update(task, completed=done, **({} if total is None else {"total": total}))
