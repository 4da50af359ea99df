"""The table as text: for a terminal, and as docs/ERRORS.md."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from bad_input.case import Case, Refused
from bad_input.run import Impossible, Outcome, faults, outcomes

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

DOCUMENT = Path(__file__).parents[2] / "docs" / "ERRORS.md"
HEAD = """\
# What bad input gets

Every message says what is wrong, where, and the way out: `FILE: KEY = VALUE: what is wrong. The way out.` With `--json`
a command says the same as a JSON object with `error`, `file`, `key`, `value` and `way_out`. All of it goes to stderr,
and nothing half-done is left behind.

| exit | meaning |
|---|---|
| 0 | done |
| 1 | it failed, or is not there now: it may come back by itself |
| 2 | the user must mend it |

The daemon refuses to start with what only the user can mend. For what may come back (a microphone, the broker, room on
the disk, a model's process) it starts, says so in its log, in `edged status` and over MQTT, and waits.

`make bad-input` makes every one of these mistakes and prints what edged says; `make bad-input BAD_INPUT=--markdown`
writes this page. A test holds each line. Paths, ports, process numbers and the machine's type are left out.
"""


def heading(chapter: str, cases: Sequence[Case]) -> str:
    """Write a chapter's heading and the head of its table."""
    if isinstance(cases[0], Refused):
        return f"\n## {chapter}\n\n| what is wrong | typed | exit | said |\n|---|---|---|---|"
    return (
        f"\n## {chapter}\n\n| what is wrong | said in the log of `edged run` | and when it is mended |\n|---|---|---|"
    )


def row(case: Case, outcome: Outcome) -> str:
    """Write one line of a table."""
    if isinstance(case, Refused):
        return f"{beginning(case)} {outcome.exit} | {_code(outcome.first)} |"
    return f"{beginning(case)} {_code(outcome.first)} | {_code(outcome.then)} |"


def beginning(case: Case) -> str:
    """Write what is known of a line before it is run."""
    if isinstance(case, Refused):
        return f"| {case.wrong.replace('|', '&#124;')} | {_code(case.typed)} |"
    return f"| {case.wrong} |"


def main(chapters: Mapping[str, Sequence[Case]]) -> int:
    """Run every case and print the table; 1 if an answer is not as it should be, or cannot be had here."""
    parser = argparse.ArgumentParser(prog="bad_input", description="Make every mistake, and print what edged says.")
    parser.add_argument("--markdown", action="store_true", help="write docs/ERRORS.md")
    to_document = parser.parse_args().markdown
    lines, wrong = [HEAD.rstrip("\n")], 0
    for chapter, cases in chapters.items():
        if not to_document:
            _print(f"\n{chapter}\n")
        lines.append(heading(chapter, cases))
        for case, outcome in _had(cases):
            found = [outcome] if isinstance(outcome, str) else faults(case, outcome)
            wrong += bool(found)
            if isinstance(outcome, Outcome):
                lines.append(row(case, outcome))
            if not to_document:
                _show(case, outcome)
            for fault in found:
                sys.stderr.write(f"WRONG: {case.name}: {fault}\n")
    if to_document and not wrong:
        DOCUMENT.write_text("\n".join(lines) + "\n", encoding="utf-8")
    count = sum(map(len, chapters.values()))
    _print(f"\n{count} mistakes, {count - wrong} answered as they should be.")
    return 1 if wrong else 0


def _had(cases: Sequence[Case]) -> Iterator[tuple[Case, Outcome | str]]:
    for case, future in outcomes(cases):
        try:
            yield case, future.result()
        except (AssertionError, TimeoutError, Impossible) as error:
            yield case, f"{type(error).__name__}: {error}"


def _show(case: Case, outcome: Outcome | str) -> None:
    code = "runs" if not isinstance(outcome, Outcome) or outcome.exit is None else f"exit {outcome.exit}"
    _print(f"  {case.wrong:<75}  {case.typed:<50}  {code}")
    _print(f"      {outcome if isinstance(outcome, str) else outcome.first}")
    if isinstance(outcome, Outcome) and outcome.then:
        _print(f"      {outcome.then}")


def _print(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def _code(text: str) -> str:
    """Write text as code in a table's cell, whatever is in it."""
    fence = "``" if "`" in text else "`"
    pad = " " if "`" in text else ""
    return f"{fence}{pad}{text.replace('|', chr(92) + '|')}{pad}{fence}" if text else ""
