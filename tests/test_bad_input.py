"""Every mistake of the table gets its answer, the answer that docs/ERRORS.md shows.

What is typed runs in a process of its own where that matters: the first time that a command is typed, where it needs
other variables or another user, and where a daemon is involved. Those are started at the beginning, several at a time,
while the others run here.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from bad_input import CASES
from bad_input.run import AT_ONCE, Impossible, Outcome, faults, run
from bad_input.table import DOCUMENT, beginning, heading, row

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from bad_input.case import Case

ALL = [case for cases in CASES.values() for case in cases]
ALONE = {"run", "record", "devices", "demo", "reload", "model"}
"""Commands that are always typed for real."""


def _need_no_process() -> set[str]:
    """Name the cases whose command is typed for real by another case already."""
    seen, names = set(ALONE), set()
    for case in ALL:
        command = case.typed.partition(" ")[2].partition(" ")[0]
        if command in seen - ALONE:
            names.add(case.name)
        seen.add(command)
    return names


HERE = _need_no_process()


@pytest.fixture(scope="module")
def answer(request: pytest.FixtureRequest) -> Iterator[Callable[[Case], Outcome]]:
    """Give what a case comes to."""
    items = [item for item in request.session.items if isinstance(item, pytest.Function)]
    chosen: list[Any] = [
        item.callspec.params["case"] for item in items if item.originalname == "test_a_mistake_gets_its_answer"
    ]
    with ThreadPoolExecutor(AT_ONCE) as pool:
        running = {case.name: pool.submit(run, case) for case in chosen if case.name not in HERE}
        yield lambda case: run(case, here=True) if case.name in HERE else running[case.name].result()
        pool.shutdown(cancel_futures=True)


@pytest.mark.parametrize("case", ALL, ids=[case.name for case in ALL])
def test_a_mistake_gets_its_answer(case: Case, answer: Callable[[Case], Outcome]) -> None:
    try:
        outcome = answer(case)
    except Impossible as error:
        pytest.skip(f"cannot be made here: {error}")
    assert faults(case, outcome) == []
    assert row(case, outcome) in DOCUMENT.read_text(encoding="utf-8").splitlines(), row(case, outcome)


def test_the_document_has_a_line_for_each_case_and_no_more() -> None:
    lines = iter(DOCUMENT.read_text(encoding="utf-8").splitlines())
    for chapter, cases in CASES.items():
        head = heading(chapter, cases).splitlines()[1:]
        assert [next(line for line in lines if line.startswith("## ")), *(next(lines) for _ in head[1:])] == head
        for case in cases:
            assert next(lines).startswith(beginning(case))
    assert list(lines) == []


def test_names_and_mistakes_are_distinct() -> None:
    assert len({case.name for case in ALL}) == len({beginning(case) for case in ALL}) == len(ALL)


@pytest.mark.parametrize(
    ("changed", "fault"),
    [
        ({"exit": 1}, "exit 1, not 2"),
        ({"said": "edged: edged.toml: it is wrong. Rename it"}, "no key: 'mqtt.hots'"),
        ({"said": "Traceback (most recent call last):"}, "not said by edged"),
        ({"new": ("state/lock",)}, "left behind: state/lock"),
    ],
)
def test_another_answer_is_a_fault(changed: dict[str, Any], fault: str) -> None:
    said = "edged: edged.toml: mqtt.hots: is not a known key (did you mean `host`?). Rename it, or take it out."
    case = next(case for case in ALL if case.name == "typo-mqtt")
    good = Outcome(2, said)
    assert faults(case, good) == []
    assert any(found.startswith(fault) for found in faults(case, replace(good, **changed)))
