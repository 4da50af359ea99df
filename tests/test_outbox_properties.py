"""The outbox is a list with a bound: whatever is done to it, power cuts included, it agrees with the model."""

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
from edged.records import Draft

STREAMS = ("mic/alexa", "mic/yamnet", "porch/alexa")


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
        self.sequences = dict.fromkeys(STREAMS, 0)
        self.given: set[Kept] = set()
        self.names: dict[Kept, tuple[str, int]] = {}
        self.highest = 0

    @initialize(cap=st.integers(1, 12))
    def open(self, cap: int) -> None:
        self.cap = cap
        self.outbox = self.reopen()

    def reopen(self) -> Outbox:
        return Outbox.open(self.folder / f"{self.lives}.sqlite", cap_messages=self.cap)

    @rule(streams=st.lists(st.sampled_from(STREAMS), min_size=1, max_size=9))
    def put(self, streams: list[str]) -> None:
        drafts = []
        for stream in streams:
            self.written += 1
            self.sequences[stream] += 1
            drafts.append(Draft(stream=stream, topic="t", body=str(self.written).encode()))
            self.kept.append(Kept(drafts[-1].body, stream, self.sequences[stream]))
        self.runner.run(self.outbox.put(drafts))
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
        old, self.lives = self.lives, self.lives + 1
        for suffix in ("", "-wal"):
            if (file := self.folder / f"{old}.sqlite{suffix}").exists():
                shutil.copy(file, self.folder / f"{self.lives}.sqlite{suffix}")
        self.outbox.close()
        self.outbox = self.reopen()
        events = self.runner.run(self.outbox.next_batch(after=0, limit=1_000_000))
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
