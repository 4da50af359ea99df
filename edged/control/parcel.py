"""What is too long for one line comes in pieces: a parcel, which a verb opens and other requests fill.

    → {"id": 1, "verb": "deploy", …}            ← {"id": 1, "token": "…"}        the parcel is open
    → {"id": 2, "verb": "feed", "token": "…", "data": "…"}                       on another connection, again and again
    → {"id": 3, "verb": "feed", "token": "…", "end": "all"}

A piece is answered when there is room for the next one, so whoever sends is paced by whoever takes. A parcel has
parts, each ended by `"end": "part"`, the last one and the parcel itself by `"all"`. It lives as long as the verb that
opened it.
"""

from __future__ import annotations

import asyncio
import base64
import secrets
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias

from edged.errors import Unavailable, UserError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from edged.control.protocol import Request

PIECES: Final = 4
"""That wait; each is at most a line of the control socket."""
SILENCE_S: Final = 20.0
"""Without a piece for so long, whoever sent them has gone."""
PATIENCE_S: Final = 60.0
"""So long a piece may wait for room."""

End: TypeAlias = Literal["", "part", "all"]


class Parcel:
    """One, in the hands of who takes its pieces."""

    def __init__(self) -> None:
        self.token = secrets.token_hex(8)
        self._pieces: asyncio.Queue[tuple[bytes, End]] = asyncio.Queue(PIECES)
        self._closed = False
        self._all = False

    async def whole(self, *, most_bytes: int) -> bytes:
        """Take all of it at once.

        Raises:
            UserError: It is larger than that.
            Unavailable: It does not come.
        """
        taken = bytearray()
        async for part in self.parts():
            async for piece in part:
                taken += piece
                if len(taken) > most_bytes:
                    raise UserError(f"is larger than {most_bytes:,} bytes", key="data", way_out="Send less")
        return bytes(taken)

    async def parts(self) -> AsyncIterator[AsyncIterator[bytes]]:
        """Yield part after part, each of which must be taken before the next."""
        while not self._all:
            yield self._part()

    async def _part(self) -> AsyncIterator[bytes]:
        end: End = ""
        while not end:
            try:
                async with asyncio.timeout(SILENCE_S):
                    piece, end = await self._pieces.get()
            except TimeoutError:
                raise Unavailable("what was to be sent does not come") from None
            self._all = end == "all"
            if piece:
                yield piece

    async def put(self, piece: bytes, end: End) -> None:
        """Add a piece, when there is room for it; Unavailable where nobody takes it."""
        try:
            async with asyncio.timeout(PATIENCE_S):
                await self._pieces.put((piece, end))
        except TimeoutError:
            raise Unavailable("nobody takes what is sent") from None
        if self._closed:
            raise Unavailable("nobody takes what is sent any more")

    def close(self) -> None:
        """Take no more of it; whoever still sends is told."""
        self._closed = True
        while not self._pieces.empty():
            self._pieces.get_nowait()


class Parcels:
    """All that are open: at most one a peer that waits for the answer to its verb."""

    def __init__(self) -> None:
        self._open: dict[str, Parcel] = {}

    def open(self) -> Parcel:
        """Open one; `close` it."""
        parcel = Parcel()
        self._open[parcel.token] = parcel
        return parcel

    def close(self, parcel: Parcel) -> None:
        """Forget it."""
        self._open.pop(parcel.token, None)
        parcel.close()

    async def feed(self, request: Request) -> dict[str, Any]:
        """Carry out the verb."""
        parcel = self._open.get(token := request.text("token"))
        if parcel is None:
            raise UserError("is not open", key="token", value=token, way_out="Send the token that was answered")
        data, end = request.args.get("data", ""), request.args.get("end", "")
        try:
            piece = base64.b64decode(data, validate=True)
        except (TypeError, ValueError):
            raise UserError("is not base64", key="data", way_out="Send base64") from None
        if end not in ("", "part", "all"):
            raise UserError("is no end", key="end", value=str(end), way_out='Send "part", "all", or none')
        await parcel.put(piece, end)
        return {}
