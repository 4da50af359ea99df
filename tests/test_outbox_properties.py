"""The outbox is a list with a bound: whatever is done to it, power cuts included, it agrees with the model.

What a board tells again, because it never heard that it was stored, is in that list once.
"""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from edged.outbox import Outbox
from edged.records import Draft, Stored

STREAMS = ("mic/alexa", "mic/yamnet", "porch/alexa")
BOARDS = ("mcu/cellar/event", "mcu/attic/event")
AGAIN = {f"{board} again": board for board in BOARDS}


@dataclass(frozen=True)
class Kept:
    """What the model knows of one event."""

    body: bytes
    stream: str
    sequence: int


class OutboxModel(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(prefix="outbox-"))
        self.runner = asyncio.Runner()
        self.lives = 0
        self.written = 0
        self.lost = 0
        self.kept: list[Kept] = []
        self.deleted: list[Kept] = []
        """Since the last sync of deletions: a power cut may bring these back."""
        self.sequences = dict.fromkeys((*STREAMS, *BOARDS), 0)
        self.told: dict[str, Draft] = {}
        """By board, what it told last."""
        self.last: dict[str, bytes] = {}
        """By board, what was stored last."""
        self.duplicates = 0
        self.given: set[Kept] = set()
        self.names: dict[Kept, tuple[str, int]] = {}
        self.highest = 0

    @initialize(cap=st.integers(1, 12))
    def open(self, cap: int) -> None:
        self.cap = cap
        self.outbox = self.reopen()

    def reopen(self) -> Outbox:
        return Outbox.open(self.folder / f"{self.lives}.sqlite", cap_messages=self.cap)

    @rule(streams=st.lists(st.sampled_from((*STREAMS, *BOARDS, *AGAIN)), min_size=1, max_size=9))
    def put(self, streams: list[str]) -> None:
        drafts = [self.draft(stream) for stream in streams]
        self.stored(drafts)
        self.runner.run(self.outbox.put(drafts))

    def draft(self, stream: str) -> Draft:
        """Make a new event, or one that a board has told before, if it has told any."""
        board = AGAIN.get(stream, stream)
        if stream in AGAIN and board in self.told:
            return self.told[board]
        self.written += 1
        once = (board, str(self.written)) if board in BOARDS else None
        draft = Draft(stream=board, topic="t", body=str(self.written).encode(), once=once)
        if once is not None:
            self.told[board] = draft
        return draft

    def stored(self, drafts: list[Draft]) -> None:
        """Take note of what one commit must have done."""
        for draft in drafts:
            if draft.once is not None and self.last.get(draft.stream) == draft.body:
                self.duplicates += 1
                continue
            self.last[draft.stream] = draft.body
            self.sequences[draft.stream] += 1
            self.kept.append(Kept(draft.body, draft.stream, self.sequences[draft.stream]))
        over = max(0, len(self.kept) - self.cap)
        self.lost += over
        self.kept = self.kept[over:]
        self.deleted = []

    @rule(limit=st.integers(1, 15), forget=st.lists(st.booleans(), max_size=15))
    def read_and_delete(self, limit: int, forget: list[bool]) -> None:
        events = self.runner.run(self.outbox.next_batch(after=0, limit=limit))
        seen = [Kept(event.body, event.stream, event.sequence) for event in events]
        assert seen == self.kept[:limit]
        for event, kept in zip(events, seen, strict=True):
            assert event.again or kept not in self.given
            name = (event.outbox, event.number)
            assert self.names.setdefault(kept, name) == name, "an id survives everything"
        assert len(set(self.names.values())) == len(self.names), "no two events share one"
        self.given.update(seen)
        gone = [event.number for event, chosen in zip(events, forget, strict=False) if chosen]
        self.outbox.delete(gone)
        for kept, chosen in zip(seen, forget, strict=False):
            if chosen:
                self.kept.remove(kept)
                self.deleted.append(kept)

    @rule()
    def restart(self) -> None:
        assert self.outbox.close() == 0
        self.deleted = []
        self.outbox = self.reopen()

    @rule()
    def power_cut(self) -> None:
        """Go on from the files as they are this instant; deletions that were not synced may be undone."""
        self.cut()
        self.survived(self.everything())

    @rule(board=st.sampled_from(BOARDS))
    def power_cut_while_a_board_tells(self, board: str) -> None:
        """What was perhaps committed, and never acknowledged, is told again: it is stored once in any case."""
        draft = self.draft(board)
        self.outbox.offer(draft)
        self.cut()
        found = self.everything()
        if draft.body in [event.body for event in found]:
            self.stored([draft])
        self.survived(found)
        self.stored([draft])
        self.runner.run(self.outbox.put([draft]))
        assert [event.body for event in self.everything()].count(draft.body) == 1
        self.given.update(self.kept)

    def cut(self) -> None:
        old, self.lives = self.lives, self.lives + 1
        for suffix in ("", "-wal"):
            if (file := self.folder / f"{old}.sqlite{suffix}").exists():
                shutil.copy(file, self.folder / f"{self.lives}.sqlite{suffix}")
        self.outbox.close()
        self.outbox = self.reopen()

    def everything(self) -> list[Stored]:
        return self.runner.run(self.outbox.next_batch(after=0, limit=1_000_000))

    def survived(self, events: list[Stored]) -> None:
        found = [Kept(event.body, event.stream, event.sequence) for event in events]
        assert set(self.kept) <= set(found) <= {*self.kept, *self.deleted}
        assert found == sorted(found, key=lambda kept: int(kept.body))
        assert all(event.again for event in events)
        self.kept, self.deleted = found, []
        self.given.update(found)

    @invariant()
    def counts(self) -> None:
        if hasattr(self, "outbox"):
            assert self.outbox.depth == len(self.kept)
            assert self.outbox.lost == self.lost
            assert self.outbox.duplicates == self.duplicates
            assert self.outbox.waiting == 0

    def teardown(self) -> None:
        if hasattr(self, "outbox"):
            self.outbox.close()
        self.runner.close()
        shutil.rmtree(self.folder)


OutboxModel.TestCase.settings = settings(
    max_examples=40, stateful_step_count=30, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
TestOutbox = OutboxModel.TestCase
