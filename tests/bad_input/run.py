"""Makes the mistakes, and holds what edged answers against what it should."""

from __future__ import annotations

import fnmatch
import os
import shutil
import subprocess
import tempfile
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, assert_never

from bad_input.case import Case, Refused, Waits
from bad_input.scene import Scene

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

AT_ONCE = 4
"""Cases that are run side by side: most of each is the start of an interpreter, some of it is waiting."""

NOTE = "state/retained.json"
"""Written by a daemon that goes on running, whenever it has something to note: not by the mistake."""


class Impossible(Exception):
    """This machine, or this user, cannot make the mistake."""


@dataclass(frozen=True)
class Outcome:
    """What came of a case."""

    exit: int | None
    """None where a daemon goes on running."""
    said: str
    """On stderr, without what differs from run to run; of a daemon, the line that says what is wrong."""
    new: tuple[str, ...] = ()
    """Files that were not there before."""
    then: str = ""
    """What the daemon said after it was mended, the line that matters."""

    @property
    def first(self) -> str:
        """The first line of the answer proper, text or JSON: how a command is typed may stand before it."""
        lines = self.said.strip().splitlines()
        return next((line for line in lines if line.startswith(("edged", "{"))), "")


def outcomes(cases: Iterable[Case]) -> Iterator[tuple[Case, Future[Outcome]]]:
    """Run cases, several at a time, and give them in their order."""
    with ThreadPoolExecutor(AT_ONCE) as pool:
        yield from [(case, pool.submit(run, case)) for case in cases]


def run(case: Case, *, here: bool = False) -> Outcome:
    """Make the mistake, and see what happens; what is typed runs in a process of its own, or `here` if it can.

    Raises:
        Impossible: It cannot be made here.
        TimeoutError: A daemon has not said what it must say.
    """
    with _scene() as scene:
        try:
            case.make(scene)
            match case:
                case Refused():
                    return _refused(scene, case, here=here)
                case Waits():
                    return _waits(scene, case)
                case _:
                    assert_never(case)
        except (PermissionError, subprocess.CalledProcessError) as error:
            raise Impossible(str(error)) from error


def faults(case: Case, outcome: Outcome) -> list[str]:
    """Say in what the answer is not as the case has it; what a daemon says was waited for already."""
    if isinstance(case, Waits):
        return [] if outcome.exit is None else [f"the daemon ended with {outcome.exit}"]
    found = [] if outcome.exit == case.exit else [f"exit {outcome.exit}, not {case.exit}"]
    wanted = {name: getattr(case, name) for name in ("file", "key", "value", "what", "way_out")}
    found += [
        f"no {name}: {words!r} is not in {outcome.said!r}"
        for name, words in wanted.items()
        if words not in outcome.said
    ]
    if "Traceback" in outcome.said or not outcome.first:
        found.append(f"not said by edged: {outcome.said!r}")
    expected = (*case.leaves, NOTE)
    left = [name for name in outcome.new if not any(fnmatch.fnmatch(name, pattern) for pattern in expected)]
    return found + [f"left behind: {name}" for name in left]


def _refused(scene: Scene, case: Refused, *, here: bool) -> Outcome:
    before = _files(scene.folder)
    here = here and not scene.env and not scene.through
    code, said = scene.type_here(case.typed) if here else scene.type(case.typed)
    for process in scene.daemons:
        if process.poll() is not None:
            raise AssertionError("the daemon that ran has ended")
        scene.status()
    return Outcome(code, scene.scrubbed(said), tuple(sorted(_files(scene.folder) - before)))


def _waits(scene: Scene, case: Waits) -> Outcome:
    daemon = scene.daemon()
    said = daemon.said(case.says)
    scene.until(lambda: case.status in scene.status(), lambda: f"{case.status!r} in {scene.status()}")
    if case.published is not None:
        scene.heard(*case.published)
    then = ""
    if case.mend is not None:
        case.mend(scene)
        then = daemon.said(case.then, after=said)
    return Outcome(daemon.process.poll(), scene.scrubbed(said), (), scene.scrubbed(then))


@contextmanager
def _scene() -> Iterator[Scene]:
    folder = Path(tempfile.mkdtemp(prefix="edged-bad-"))
    folder.chmod(0o755)  # for those cases in which somebody else types
    try:
        with ExitStack() as stack:
            yield Scene(folder, stack)
    finally:
        shutil.rmtree(folder)


def _files(folder: Path) -> set[str]:
    return {str(Path(root, name).relative_to(folder)) for root, _, names in os.walk(folder) for name in names}
