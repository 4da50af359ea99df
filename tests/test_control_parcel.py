"""What comes to the control socket in pieces: in order, paced, bounded, and never waited for without end."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import threading
from typing import TYPE_CHECKING, Any

import pytest
from control_rig import serving

from edged.control import parcel, send
from edged.control.client import call, stream
from edged.control.parcel import PIECES, Parcels
from edged.control.server import Verb
from edged.errors import Unavailable, UserError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

    from edged.control.protocol import Request
    from edged.control.server import Peer

PARTS = [b"one" * 40_000, b"", b"three", bytes(range(256)) * 500]


class Taker:
    """Verbs that take parcels."""

    def __init__(self) -> None:
        self.parcels = Parcels()
        self.taken: list[bytes] = []
        self.go = threading.Event()

    async def parts(self, _request: Request, _peer: Peer) -> AsyncIterator[dict[str, Any]]:
        opened = self.parcels.open()
        try:
            yield {"token": opened.token}
            async for part in opened.parts():
                taken = b""
                async for piece in part:
                    taken += piece
                self.taken.append(taken)
                yield {"bytes": len(taken)}
        finally:
            self.parcels.close(opened)

    async def whole(self, _request: Request, _peer: Peer) -> AsyncIterator[dict[str, Any]]:
        opened = self.parcels.open()
        try:
            yield {"token": opened.token}
            self.taken.append(await opened.whole(most_bytes=100_000))
        finally:
            self.parcels.close(opened)

    async def refuse(self, _request: Request, _peer: Peer) -> AsyncIterator[dict[str, Any]]:
        opened = self.parcels.open()
        try:
            yield {"token": opened.token}
            raise UserError("is not wanted", key="data", way_out="Keep it")
        finally:
            self.parcels.close(opened)

    async def hold(self, _request: Request, _peer: Peer) -> AsyncIterator[dict[str, Any]]:
        """Takes nothing until it may."""
        opened = self.parcels.open()
        try:
            yield {"token": opened.token}
            while not self.go.is_set():  # noqa: ASYNC110 - a thread sets it
                await asyncio.sleep(0.01)
            self.taken.append(await opened.whole(most_bytes=10_000_000))
        finally:
            self.parcels.close(opened)

    async def feed(self, request: Request, _peer: Peer) -> dict[str, Any]:
        return await self.parcels.feed(request)

    def verbs(self) -> dict[str, Verb]:
        handlers = {"parts": self.parts, "whole": self.whole, "refuse": self.refuse, "hold": self.hold}
        return {
            **{name: Verb(handler, "write") for name, handler in handlers.items()},
            "feed": Verb(self.feed, "write", frozenset({"token", "data", "end"})),
        }


@pytest.fixture
def taker(tmp_path: Path) -> Iterator[tuple[Taker, Path]]:
    made = Taker()
    with serving(tmp_path / "control.sock", made.verbs()):
        yield made, tmp_path / "control.sock"


def test_parts_arrive_as_they_were_sent(taker: tuple[Taker, Path]) -> None:
    rig, socket = taker
    items = list(send.sent(socket, "parts", PARTS))
    assert [item["bytes"] for item in items if "bytes" in item] == [len(part) for part in PARTS]
    assert rig.taken == PARTS
    assert "token" not in items[0]


def test_one_part_arrives_whole_and_one_too_large_does_not(taker: tuple[Taker, Path]) -> None:
    rig, socket = taker
    list(send.sent(socket, "whole", [bytes(100_000)]))
    assert rig.taken == [bytes(100_000)]
    with pytest.raises(UserError, match="is larger than 100,000 bytes"):
        list(send.sent(socket, "whole", [bytes(100_001)]))


def test_who_refuses_is_heard_and_who_sends_ends(taker: tuple[Taker, Path]) -> None:
    _, socket = taker
    with pytest.raises(UserError, match="is not wanted"):
        list(send.sent(socket, "refuse", [bytes(1_000_000)]))
    assert not [each for each in threading.enumerate() if each.name == "send"]


def test_who_sends_is_paced_by_who_takes(taker: tuple[Taker, Path]) -> None:
    rig, socket = taker
    with contextlib.closing(stream(socket, "hold")) as items:
        token = next(items)["token"]
        data = base64.b64encode(b"piece").decode()
        for _ in range(PIECES):
            call(socket, "feed", token=token, data=data)
        late = threading.Thread(target=lambda: call(socket, "feed", deadline_s=20, token=token, data=data, end="all"))
        late.start()
        late.join(0.3)
        assert late.is_alive()
        rig.go.set()
        late.join(10)
        assert list(items) == []
    assert rig.taken == [b"piece" * (PIECES + 1)]


@pytest.mark.parametrize(
    ("args", "words"),
    [
        ({"token": "none"}, "is not open"),
        ({"data": "?"}, "is not base64"),
        ({"data": 5}, "is not base64"),
        ({"end": "soon"}, "is no end"),
    ],
)
def test_pieces_that_are_none(taker: tuple[Taker, Path], args: dict[str, object], words: str) -> None:
    _, socket = taker
    with contextlib.closing(stream(socket, "whole")) as items:
        token = next(items)["token"]
        with pytest.raises(UserError, match=words):
            call(socket, "feed", **{"token": token, **args})


def test_what_never_comes_is_not_waited_for(taker: tuple[Taker, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    _, socket = taker
    monkeypatch.setattr(parcel, "SILENCE_S", 0.2)
    with pytest.raises(Unavailable, match="does not come"):
        list(stream(socket, "whole"))


def test_a_parcel_that_nobody_takes_any_more_refuses_pieces(taker: tuple[Taker, Path]) -> None:
    rig, socket = taker
    with contextlib.closing(stream(socket, "whole")) as items:
        token = next(items)["token"]
    deadline = threading.Event()
    while rig.parcels._open:
        assert not deadline.wait(0.05)
    with pytest.raises(UserError, match="is not open"):
        call(socket, "feed", token=token, data="")
