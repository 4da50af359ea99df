"""Another model for a board that listens: uploaded, tried, watched, and kept only when it does well.

    what it holds ──▶ upload into the idle slot ──▶ try (golden windows) ──▶ watch ──▶ confirm
                          ▲ goes on where it broke off                         │
                          └ BUSY "erasing": once more                          └ anything wrong ──▶ revert, and say why

The board keeps its confirmed model until the new one is: a reset, a power cut or a gateway that dies leads back to
it, and so does the end of the trial's time. A board that began anew in the middle has rolled back by itself, which its
slots then prove. What a board refuses is told in words, and by who must act: ModelError where another model is needed,
Unavailable where it may go well another time.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

from edged.errors import BoardAway, BoardRefused, ModelError, Unavailable
from edged.mcu import group
from edged.mcu.asking import ERASE_S, TRIES, told
from edged.mcu.group import Error, Heartbeat, Hello, Slots, Uploaded

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from edged.mcu.asking import Asks

TRIAL_S: Final = 15.0
TRIAL_MARGIN_S: Final = 30.0
"""The board is given so much longer than we watch: it must not revert while we confirm."""
PIECE_BYTES: Final = 1024
"""Of an upload: with all that goes with it, less than the board's 1280 bytes of a message."""
BEATS_S: Final = 1.0
"""Between two looks at a trial."""
TRY_S: Final = 60.0
"""Opening a plan and running its golden windows, on a slow core."""
MOST_ERASES: Final = 1000
"""Of one upload, until the board is no longer believed: a slot has 102 pages on an nRF52840."""
_ERASING: Final = "erasing"
"""What the board says when an upload's message is to be sent again."""
LATE_SHARE, LATE_S = 0.2, 1.0
"""Of the trial's sound, missed: the model is too slow for this board."""
BACK_S: Final = 20.0
"""For a board to answer again after a reset."""

Doing: TypeAlias = Literal["uploading", "trying", "watching", "confirming"]
Progress: TypeAlias = "Callable[[Doing, float, float], None]"
"""Called with what is done, how much of it, and of how much: bytes, or seconds."""


@dataclass(frozen=True, slots=True)
class Deployed:
    """A model that a board keeps."""

    sha256: str
    """Of the plan, hexadecimal."""
    name: str
    slot: int
    already: bool = False
    """It ran before we came."""
    sent_bytes: int = 0
    resumed_at: int = 0
    """Where an upload that broke off before went on."""
    watched_s: float = 0.0
    inferences: int = 0
    """During the watch."""
    missed_s: float = 0.0
    microphone: bool = True
    """False: nothing was heard, so its golden windows and its being alive had to do."""


async def deploy(
    client: Asks,
    plan: bytes,
    *,
    trial_s: float = TRIAL_S,
    progress: Progress | None = None,
    again: Callable[[], Awaitable[Asks]] | None = None,
) -> Deployed:
    """Have a board run a plan, and keep it when it does well.

    Args:
        client: To the board.
        plan: The file.
        trial_s: How long it is watched.
        progress: See Progress.
        again: Gives a client to the board that came back after its link was lost; raises Unavailable where it does
            not come. None: it can only come back on this link.

    Raises:
        ModelError: The board cannot run it, and why.
        BoardRefused: It could not be done now, or the trial went wrong; the board runs what it ran.
        BoardAway: The board does not answer any more; whatever happens to it, it comes back with what it ran.
    """
    return await _Deployment(client, plan, progress or _silent, again).run(trial_s)


async def slots_of(client: Asks) -> Slots:
    """Ask what models a board holds."""
    return await told(client, Slots, group.slots(), timeout_s=ERASE_S)


class _Deployment:
    def __init__(
        self, client: Asks, plan: bytes, progress: Progress, again: Callable[[], Awaitable[Asks]] | None
    ) -> None:
        self._client, self._plan, self._progress, self._again = client, plan, progress, again
        self._sha256 = hashlib.sha256(plan).digest()
        self._sent = self._resumed_at = 0

    async def run(self, trial_s: float) -> Deployed:
        found = await slots_of(self._client)
        if (done := self._already(found)) is not None:
            return done
        self._check(found)
        await self._upload()
        hello = await told(self._client, Hello, group.hello())
        try:
            await self._try(trial_s)
            watch = await self._watch(hello, trial_s)
            self._progress("confirming", 0, 1)
            await self._client.ask(group.confirm(self._sha256), timeout_s=ERASE_S, tries=TRIES)
        except BoardAway as away:
            raise await self._lost(hello, found, away) from None
        except _WrongError as wrong:
            raise await self._reverted(hello, found, str(wrong)) from None
        except asyncio.CancelledError:
            await asyncio.shield(self._revert())
            raise
        self._progress("confirming", 1, 1)
        slot, name = self._place(await slots_of(self._client))
        return Deployed(
            *(self._sha256.hex(), name, slot, False, self._sent, self._resumed_at),
            *(watch.seconds, watch.inferences, watch.missed_s, hello.microphone),
        )

    def _already(self, found: Slots) -> Deployed | None:
        """Whether it runs there already, for good."""
        running = found.active
        if running is None or found.trial or found.slots[running].sha256 != self._sha256:
            return None
        return Deployed(self._sha256.hex(), found.slots[running].name or "", running, already=True)

    def _check(self, found: Slots) -> None:
        if len(self._plan) > found.size:
            what = f"its plan takes {len(self._plan):,} bytes, a slot of the board has {found.size:,}"
            raise ModelError(what, way_out="Make the model smaller, or take a larger board")
        if found.trial and found.active is not None and found.slots[found.active].sha256 != self._sha256:
            other = found.slots[found.active].name or "another model"
            left_s = found.left_ms / 1000
            raise BoardRefused(
                f"{other} is on trial there for {left_s:.0f} s more; try again then",
                group=group.GROUP,
                rc=Error.BUSY,
            )

    def _place(self, found: Slots) -> tuple[int, str]:
        """Which slot has it, now that it is kept."""
        for number, slot in enumerate(found.slots):
            if slot.sha256 == self._sha256 and found.confirmed == number:
                return number, slot.name or ""
        raise BoardRefused("the board confirmed the model, and does not have it among its slots")

    # Upload.

    async def _upload(self) -> None:
        """Into the idle slot; the board says where it goes on, and is asked again where it does not agree."""
        offset: int | None = None
        busy = lost = 0
        while True:
            try:
                answer = await self._piece(offset)
            except BoardRefused as refused:
                if refused.group == group.GROUP and refused.rc == Error.BUSY and refused.reason == _ERASING:
                    busy += 1
                    if busy <= MOST_ERASES:
                        continue
                if refused.group == group.GROUP and refused.rc == Error.OFFSET and lost < TRIES:
                    lost, offset = lost + 1, None  # a reset ended it
                    continue
                raise _in_words(refused, "the upload") from None
            if offset is None:
                self._resumed_at = answer.offset
            else:
                self._sent += max(0, answer.offset - offset)
            offset = answer.offset
            self._progress("uploading", offset, len(self._plan))
            if answer.match:
                return
            if offset >= len(self._plan):
                raise BoardRefused("the board has all of the plan, and does not say that it is whole")

    async def _piece(self, offset: int | None) -> Uploaded:
        """The plan's bytes from there on; None: find out where."""
        if offset is None:
            message = group.begin_upload(b"", length=len(self._plan), sha256=self._sha256)
        else:
            message = group.upload(self._plan[offset : offset + PIECE_BYTES], offset=offset)
        return await told(self._client, Uploaded, message, timeout_s=ERASE_S)

    # Trial.

    async def _try(self, trial_s: float) -> None:
        self._progress("trying", 0, 1)
        trial_ms = round(1000 * (2 * trial_s + TRIAL_MARGIN_S))
        try:
            await self._client.ask(group.try_model(self._sha256, trial_ms=trial_ms), timeout_s=TRY_S)
        except BoardRefused as refused:
            raise _in_words(refused, "the trial") from None
        self._progress("trying", 1, 1)

    async def _watch(self, hello: Hello, trial_s: float) -> _Watch:
        """See that it lives, and infers; a first inference is waited for once more as long."""
        watch = _Watch(await self._beat(hello), began_s=time.monotonic())
        while True:
            await asyncio.sleep(min(BEATS_S, trial_s / 2))
            watch.take(await self._beat(hello), now_s=time.monotonic())
            self._progress("watching", min(watch.seconds, trial_s), trial_s)
            if watch.seconds < trial_s:
                continue
            if hello.microphone and watch.inferences == 0:
                if watch.seconds < 2 * trial_s:
                    continue
                raise _WrongError(f"it made no inference in {watch.seconds:.0f} s")
            if watch.missed_s > max(LATE_S, LATE_SHARE * watch.seconds):
                raise _WrongError(f"it is too slow: {watch.missed_s:.1f} of {watch.seconds:.1f} s of sound were missed")
            return watch

    async def _beat(self, hello: Hello) -> Heartbeat:
        beat = await told(self._client, Heartbeat, group.heartbeat())
        if beat.boot != hello.boot:
            raise _WrongError("the board began anew in the trial")
        if beat.state != "trial":
            raise _WrongError(f"the board ended the trial by itself, and is {beat.state}")
        return beat

    # What went wrong.

    async def _revert(self) -> None:
        with contextlib.suppress(Unavailable):  # it has reverted, or will when the trial's time is over
            await self._client.ask(group.revert(), timeout_s=ERASE_S)

    async def _reverted(self, hello: Hello, before: Slots, why: str) -> Unavailable:
        """Take it back, and say what runs now, as the board says."""
        now = await told(self._client, Hello, group.hello())
        if now.boot != hello.boot:
            why += f" ({now.reset})"
        else:
            await self._revert()
        return await self._rolled_back(before, why)

    async def _rolled_back(self, before: Slots, why: str) -> Unavailable:
        found = await slots_of(self._client)
        if found.confirmed != before.confirmed or (found.trial and found.active != before.confirmed):
            return BoardRefused(f"{why}; and it did not go back to what it ran")
        return BoardRefused(f"{why}; it runs {_running(found)} again")

    async def _lost(self, hello: Hello, before: Slots, away: BoardAway) -> Unavailable:
        """It fell silent in its trial. Where it comes back on this very link, say what it came back with."""
        until_s = time.monotonic() + BACK_S
        while time.monotonic() < until_s:
            try:
                if self._again is not None:
                    self._client = await self._again()
                now = await told(self._client, Hello, group.hello(), tries=1)
            except Unavailable:
                await asyncio.sleep(BEATS_S)
                continue
            if now.boot == hello.boot:
                return await self._reverted(hello, before, "the board fell silent in the trial")
            return await self._rolled_back(before, f"the board began anew in the trial ({now.reset})")
        return BoardAway(f"the board was lost in the trial: {away}; it comes back with {_running(before)}")


class _WrongError(Exception):
    """Why a trial is not a success, as a clause."""


@dataclass(slots=True)
class _Watch:
    """A trial, from the first look at it."""

    first: Heartbeat
    began_s: float
    seconds: float = 0.0
    inferences: int = 0
    missed_s: float = 0.0
    _settled: Heartbeat | None = None
    """The second look: what was missed while the golden windows ran is counted by then."""

    def take(self, beat: Heartbeat, *, now_s: float) -> None:
        self._settled = self._settled or beat
        self.seconds = now_s - self.began_s
        self.inferences = beat.runs - self.first.runs
        self.missed_s = (beat.missed - self._settled.missed) / 16_000


def _running(found: Slots) -> str:
    """What a reset leads to."""
    if found.confirmed is None:
        return "no model"
    slot = found.slots[found.confirmed]
    return slot.name or f"the model of slot {found.confirmed}"


def _in_words(refused: BoardRefused, doing: str) -> ModelError | BoardRefused:
    """A refusal of our group as an error of who must act."""
    if refused.group != group.GROUP:
        return refused
    why = refused.reason or str(refused)
    match refused.rc:
        case Error.TOO_LARGE:
            return ModelError(f"the board has no room for it: {why}", way_out="Make the model smaller")
        case Error.PLAN:
            return ModelError(f"the board cannot run it: {why}", way_out="Make the model smaller, or update the board")
        case Error.GOLDEN:
            what = "the board computes other outputs than the gateway, so it keeps what it ran"
            return ModelError(what, way_out="Update the board's firmware to the one that came with this edged")
        case Error.HASH:
            why = "what arrived is not what was sent; try again, and look at the cable"
        case Error.FLASH:
            why = f"its flash failed: {why}"
        case Error.BUSY:
            why = f"it is busy: {why}"
    return BoardRefused(f"the board refuses {doing}: {why}", group=refused.group, rc=refused.rc)


def _silent(_doing: Doing, _done: float, _total: float) -> None:
    """Tell nobody."""
