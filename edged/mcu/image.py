"""Another firmware for a Zephyr board, by the MCUmgr flow; MCUboot keeps the old one until the new one is confirmed.

    state ──▶ upload (goes on by sha) ──▶ test: boot it once ──▶ reset ──▶ does it answer? ──▶ confirm
                                                                  └ no: the next reset brings the old one back

Requests are Zephyr's (doc/services/device_mgmt/smp_groups/smp_group_1.rst); an image file is MCUboot's
(docs/design.md, "Image format"): header, body, and tags behind them, of which one is the hash that names the image.
Servers of old refuse with a bare number and know no parameters; both are lived with.
"""

from __future__ import annotations

import asyncio
import hashlib
import struct
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias

from edged.errors import BoardAway, BoardForeign, BoardRefused, ModelError, Unavailable
from edged.mcu import smp
from edged.mcu.asking import ERASE_S, TRIES
from edged.mcu.smp import Message, Op

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from edged.mcu.asking import Asks

OS, IMAGES = 0, 1
_ECHO, _RESET, _PARAMETERS = 0, 5, 6
_STATE, _UPLOAD = 0, 1
_HEADER = struct.Struct("<IIHHIIBBHII")
"""Magic, load address, bytes of the header and of the protected tags, of the body, flags, version, padding."""
MAGIC: Final = b"\x3d\xb8\xf3\x96"
_TAGS = struct.Struct("<HH")
_PROTECTED, _UNPROTECTED, _SHA256 = 0x6908, 0x6907, 0x10
BUFFER_BYTES: Final = 384
"""Zephyr's CONFIG_MCUMGR_TRANSPORT_NETBUF_SIZE, where the board does not say; 4 of a message are the framing's."""
MOST_BUFFER_BYTES: Final = 2048
FRAMING_BYTES: Final = 4
BACK_S: Final = 120.0
"""Until a board answers after the reset: MCUboot swaps both slots first, sector by sector."""
ECHOES: Final = 3
PAUSE_S: Final = 0.5

Doing: TypeAlias = Literal["uploading", "booting", "confirming"]
Progress: TypeAlias = "Callable[[Doing, float, float], None]"

WORDS: Final = {
    3: "there is no image in the slot",
    9: "it has no free slot",
    11: "its flash cannot be read",
    12: "its flash cannot be written",
    13: "its flash cannot be erased",
    22: "the image has no header",
    23: "the image has no header of MCUboot's",
    24: "it knows no image of that hash",
    25: "the image is for another flash address",
    27: "it runs a newer version already",
    28: "another image waits for its reset; reset the board first",
    30: "the image is larger than its slot",
    32: "it does not let itself be confirmed",
}
"""smp_group_1.rst, enum img_mgmt_err_code_t."""


@dataclass(frozen=True, slots=True)
class Image:
    """A firmware image, as its file says."""

    data: bytes
    version: str
    hash: bytes
    """MCUboot's, by which a board names it."""


@dataclass(frozen=True, slots=True)
class Installed:
    """A firmware that a board keeps."""

    version: str
    hash: str
    already: bool = False
    sent_bytes: int = 0
    resumed_at: int = 0
    boot_s: float = 0.0
    """From the reset to its first answer."""


def is_image(data: bytes) -> bool:
    """Whether a file begins as an image of MCUboot's does."""
    return data.startswith(MAGIC)


def read_image(data: bytes) -> Image:
    """Read an image's version and hash.

    Raises:
        ModelError: It is none, or is cut off.
    """
    way_out = "Name the signed image that the Zephyr build made: zephyr.signed.bin"
    if len(data) < _HEADER.size or not is_image(data):
        raise ModelError("is no firmware image of MCUboot's", way_out=way_out)
    _, _, header, protected, body, _, major, minor, revision, build, _ = _HEADER.unpack_from(data)
    found = _hash(data, header + body, protected)
    if found is None:
        raise ModelError("is cut off, or was never signed: it has no hash", way_out=way_out)
    version = f"{major}.{minor}.{revision}" + (f".{build}" if build else "")
    return Image(data, version, found)


def _hash(data: bytes, at: int, protected: int) -> bytes | None:
    """The tag of that kind among the unprotected ones."""
    at += protected
    if at + _TAGS.size > len(data):
        return None
    magic, size = _TAGS.unpack_from(data, at)
    end, at = at + size, at + _TAGS.size
    if magic != _UNPROTECTED or end > len(data):
        return None
    while at + _TAGS.size <= end:
        kind, size = _TAGS.unpack_from(data, at)
        at += _TAGS.size
        if kind == _SHA256 and size == hashlib.sha256().digest_size and at + size <= end:
            return data[at : at + size]
        at += size
    return None


async def install(
    client: Asks,
    image: Image,
    *,
    again: Callable[[], Awaitable[Asks]],
    kick: Callable[[], Awaitable[None]] | None = None,
    progress: Progress | None = None,
    back_s: float = BACK_S,
) -> Installed:
    """Have a board run an image, and keep it when it answers.

    Args:
        client: To the board.
        image: What to run.
        again: Gives a client to the board after its reset, on whatever port it comes back; raises Unavailable where
            it does not answer yet.
        kick: Resets the board without its help; None: nobody can.
        progress: Called with what is done, how much of it, and of how much.
        back_s: How long the new firmware may take to answer.

    Raises:
        BoardRefused: It could not be done, or the new firmware did not hold; the board runs what it ran.
        BoardAway: The board does not answer any more.
    """
    return await _Installation(client, image, again, kick, progress or _silent).run(back_s)


class _Installation:
    def __init__(
        self,
        client: Asks,
        image: Image,
        again: Callable[[], Awaitable[Asks]],
        kick: Callable[[], Awaitable[None]] | None,
        progress: Progress,
    ) -> None:
        self._client, self._image, self._again, self._kick = client, image, again, kick
        self._progress = progress
        self._sent = self._resumed_at = 0

    async def run(self, back_s: float) -> Installed:
        slots = await self._state()
        before = _active(slots)
        if before.get("hash") == self._image.hash:
            if not before.get("confirmed"):
                await self._confirm()
            return Installed(self._image.version, self._image.hash.hex(), already=True)
        if all(slot.get("hash") != self._image.hash for slot in slots):
            await self._upload()
        await self._test()
        booted_s = await self._boot(back_s, before)
        await self._prove(before)
        await self._confirm()
        return Installed(
            *(self._image.version, self._image.hash.hex(), False, self._sent, self._resumed_at), boot_s=booted_s
        )

    async def _ask(
        self, op: Op, group: int, command: int, body: dict[str, Any], *, timeout_s: float | None = None
    ) -> dict[str, Any]:
        try:
            answer = await self._client.ask(
                Message(op, group, command, body), timeout_s=timeout_s or ERASE_S, tries=TRIES
            )
        except BoardRefused as refused:
            if refused.group == IMAGES and refused.rc in WORDS:
                what = f"the board refuses the image: {WORDS[refused.rc]}"
                raise BoardRefused(what, group=IMAGES, rc=refused.rc) from None
            raise
        return dict(answer.body)

    async def _state(self) -> list[dict[str, Any]]:
        """What lies in the slots of the first image."""
        images = (await self._ask(Op.READ, IMAGES, _STATE, {})).get("images")
        if not isinstance(images, list) or not all(isinstance(each, dict) for each in images):
            raise BoardForeign("what answers there does not say which images it has")
        return [each for each in images if each.get("image", 0) == 0]

    # Upload.

    async def _upload(self) -> None:
        image, sha256 = self._image, hashlib.sha256(self._image.data).digest()
        buffer = await self._buffer_bytes()
        offset, first = 0, True
        while offset < len(image.data) or first:
            body: dict[str, Any] = {"off": offset, "data": b""}
            if first:
                body |= {"len": len(image.data), "sha": sha256, "image": 0}
            body["data"] = image.data[offset : offset + _room(body, buffer)]
            answer = await self._ask(Op.WRITE, IMAGES, _UPLOAD, body)
            following = answer.get("off")
            if not isinstance(following, int) or not 0 <= following <= len(image.data):
                raise BoardForeign(f"what answers there says that {following!r} bytes of the image are there")
            if answer.get("match") is False:
                raise BoardRefused("what arrived is not what was sent; try again, and look at the cable")
            taken = following - offset
            if first and taken > len(body["data"]):
                self._resumed_at = following
            elif not first and taken <= 0:
                raise BoardRefused(f"the board stopped taking the image at byte {offset:,}; try again")
            else:
                self._sent += taken
            first, offset = False, following
            self._progress("uploading", offset, len(image.data))

    async def _buffer_bytes(self) -> int:
        """Of the board's largest message."""
        try:
            said = (await self._ask(Op.READ, OS, _PARAMETERS, {})).get("buf_size")
        except BoardRefused:
            return BUFFER_BYTES
        return min(said, MOST_BUFFER_BYTES) if isinstance(said, int) and said >= BUFFER_BYTES // 2 else BUFFER_BYTES

    # The new one, and the old one.

    async def _test(self) -> None:
        """Have it booted once."""
        body = {"hash": self._image.hash, "confirm": False}
        answer = await self._ask(Op.WRITE, IMAGES, _STATE, body)
        images = answer.get("images")
        slots = images if isinstance(images, list) else await self._state()
        if not any(each.get("hash") == self._image.hash and each.get("pending") for each in slots):
            raise BoardRefused("the board took the image, and does not say that it will boot it")

    async def _boot(self, back_s: float, before: dict[str, Any]) -> float:
        self._progress("booting", 0, back_s)
        await self._ask(Op.WRITE, OS, _RESET, {}, timeout_s=2.0)
        began_s = time.monotonic()
        if await self._back(back_s):
            return time.monotonic() - began_s
        old = before.get("version", "what it ran")
        if self._kick is not None:
            await self._kick()
            if await self._back(back_s):
                slots = await self._state()
                if _active(slots).get("hash") == before.get("hash"):
                    raise BoardRefused(f"{self._image.version} never answered; after a reset it runs {old} again")
                raise BoardRefused(f"{self._image.version} answered only after another reset, and is not confirmed")
        raise BoardAway(f"{self._image.version} does not answer; the next reset brings {old} back: press its button")

    async def _back(self, back_s: float) -> bool:
        """Whether it answers, in time."""
        began_s = time.monotonic()
        while (waited_s := time.monotonic() - began_s) < back_s:
            self._progress("booting", waited_s, back_s)
            try:
                self._client = await self._again()
                await self._client.ask(Message(Op.WRITE, OS, _ECHO, {"d": "edged"}))
            except Unavailable:
                await asyncio.sleep(min(PAUSE_S, back_s / 4))
                continue
            return True
        return False

    async def _prove(self, before: dict[str, Any]) -> None:
        """See that it is the new one, and speaks."""
        active = _active(await self._state())
        if active.get("hash") != self._image.hash:
            runs = active.get("version", before.get("version"))
            raise BoardRefused(f"the board did not boot {self._image.version}, and runs {runs}")
        for number in range(ECHOES):
            said = f"edged {number}"
            if (await self._ask(Op.WRITE, OS, _ECHO, {"d": said})).get("r") != said:
                raise BoardRefused(
                    f"{self._image.version} does not speak as it should; a reset brings the old one back"
                )

    async def _confirm(self) -> None:
        self._progress("confirming", 0, 1)
        await self._ask(Op.WRITE, IMAGES, _STATE, {"hash": self._image.hash, "confirm": True})
        if not _active(await self._state()).get("confirmed"):
            raise BoardRefused(f"the board runs {self._image.version}, and does not keep it")
        self._progress("confirming", 1, 1)


def _room(body: dict[str, Any], buffer: int) -> int:
    """Of one message's data, in bytes."""
    beside = len(smp.write(Message(Op.WRITE, IMAGES, _UPLOAD, body))) + FRAMING_BYTES
    return max(1, buffer - beside - 2)  # the length of the data takes two more bytes than that of none


def _active(slots: list[dict[str, Any]]) -> dict[str, Any]:
    return next((each for each in slots if each.get("active")), {})


def _silent(_doing: Doing, _done: float, _total: float) -> None:
    """Tell nobody."""
