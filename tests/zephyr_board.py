"""A Zephyr board on a pty: an MCUmgr server over MCUboot's two slots, by the package `smp`, which nobody here wrote.

A process of its own, as a board is: `python zephyr_board.py LINK …`. It speaks the console framing with smp.packet,
reads requests with smp's classes, and logs between them. Its flash is a folder: slot0, slot1 and what MCUboot keeps of
them, so that the power can be cut at any time.

MCUboot's table (docs/design.md, "Image swapping"), as a boot goes through it:

    slot 1 is pending            swap; the new one runs, not confirmed
    slot 0 is not confirmed      swap back: the revert
    else                         slot 0 runs
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import struct
import subprocess
import sys
import tty
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from smp import header as smp_header
from smp import image_management as images
from smp import os_management as system
from smp import packet

if TYPE_CHECKING:
    from collections.abc import Callable

SLOT_BYTES = 128 * 1024
NETBUF_BYTES = 384
MUTE = b"mute"
"""In a body: that firmware never answers."""


def made_image(body: bytes, *, version: tuple[int, int, int] = (1, 0, 0), protected: bytes = b"") -> bytes:
    """An image as `imgtool sign` makes it, without a signature."""
    tags = struct.pack("<HH", 0x6908, 4 + len(protected)) + protected if protected else b""
    head = struct.pack("<IIHHIIBBHII", 0x96F3B83D, 0, 32, len(tags), len(body), 0, *version, 0, 0)
    signed = head + body + tags
    digest = hashlib.sha256(signed).digest()
    other = struct.pack("<HH", 0x01, 4) + b"keys"
    tail = struct.pack("<HH", 0x6907, 4 + len(other) + 4 + 32) + other + struct.pack("<HH", 0x10, 32) + digest
    return signed + tail


class Flash:
    """Two slots and MCUboot's flags, in a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.flags = {"pending": False, "confirmed": True}
        if (file := folder / "flags").exists():
            self.flags = json.loads(file.read_text())

    def slot(self, number: int) -> bytes:
        file = self.folder / f"slot{number}"
        return file.read_bytes() if file.exists() else b""

    def put(self, number: int, data: bytes) -> None:
        (self.folder / f"slot{number}").write_bytes(data)

    def keep(self, **flags: bool) -> None:
        self.flags |= flags
        (self.folder / "flags").write_text(json.dumps(self.flags))

    def boot(self, *, refuses: bool = False) -> None:
        if refuses and self.flags["pending"]:
            self.keep(pending=False)  # its signature is nobody's: it stays where it is
        elif self.flags["pending"] or not self.flags["confirmed"]:
            one, other = self.slot(0), self.slot(1)
            self.put(0, other)
            self.put(1, one)
            self.keep(confirmed=not self.flags["pending"], pending=False)


def told(number: int, flash: Flash) -> images.ImageState | None:
    data = flash.slot(number)
    if len(data) < 32:
        return None
    _, _, head, protected, body, _, major, minor, revision, _, _ = struct.unpack_from("<IIHHIIBBHII", data)
    digest = hashlib.sha256(data[: head + body + protected]).digest()
    state: dict[str, Any] = {"slot": number, "version": f"{major}.{minor}.{revision}", "hash": digest, "bootable": True}
    if number == 0:
        state |= {"active": True, **({"confirmed": True} if flash.flags["confirmed"] else {})}
    elif flash.flags["pending"]:
        state |= {"pending": True}
    return images.ImageState(**state)


class Server:
    """What the firmware in slot 0 answers."""

    def __init__(self, flash: Flash, *, break_at: int | None) -> None:
        self.flash, self.break_at = flash, break_at
        self.upload: dict[str, Any] = {}
        self.reset = False
        self.answers: dict[tuple[int, int, int], Callable[[smp_header.Header, bytes], Any]] = {
            (2, 0, 0): self._echo,
            (0, 0, 6): self._parameters,
            (2, 0, 5): self._reset,
            (0, 1, 0): self._state,
            (2, 1, 0): self._set,
            (2, 1, 1): self._upload,
        }

    def answer(self, message: bytes) -> bytes:
        head = smp_header.Header.loads(message[:8])
        answer = self.answers.get((int(head.op), int(head.group_id), int(head.command_id)))
        if answer is None:
            return self._raw(head, b"\xa1\x62rc\x08")
        said = bytes(answer(head, message))
        return bytes([said[0] & ~7 | head.op + 1]) + said[1:] if said else b""  # smp 4.2 has a wrong one for 1/0

    def _raw(self, head: smp_header.Header, body: bytes) -> bytes:
        op = int(head.op) + 1
        return (
            struct.pack("!BBHHBB", 8 | op, 0, len(body), int(head.group_id), head.sequence, int(head.command_id)) + body
        )

    def _refused(self, head: smp_header.Header, rc: int) -> bytes:
        return self._raw(head, b"\xa1\x63err\xa2\x65group\x01\x62rc" + (bytes([rc]) if rc < 24 else bytes([24, rc])))

    def _as(self, head: smp_header.Header, kind: Any, **fields: Any) -> Any:
        return kind(sequence=head.sequence, version=head.version, **fields)

    def _echo(self, head: smp_header.Header, message: bytes) -> Any:
        return self._as(head, system.EchoWriteResponse, r=system.EchoWriteRequest.loads(message).d)

    def _parameters(self, head: smp_header.Header, _message: bytes) -> Any:
        return self._as(head, system.MCUMgrParametersReadResponse, buf_size=NETBUF_BYTES, buf_count=4)

    def _reset(self, head: smp_header.Header, message: bytes) -> Any:
        system.ResetWriteRequest.loads(message)
        self.reset = True
        return self._as(head, system.ResetWriteResponse)

    def _states(self) -> list[images.ImageState]:
        return [state for number in (0, 1) if (state := told(number, self.flash)) is not None]

    def _state(self, head: smp_header.Header, message: bytes) -> Any:
        images.ImageStatesReadRequest.loads(message)
        return self._as(head, images.ImageStatesReadResponse, images=self._states(), splitStatus=0)

    def _set(self, head: smp_header.Header, message: bytes) -> Any:
        asked = images.ImageStatesWriteRequest.loads(message)
        by_hash = {bytes(state.hash or b""): state.slot for state in self._states()}
        slot = 0 if asked.hash is None else by_hash.get(asked.hash)
        if slot is None:
            return self._refused(head, images.IMG_MGMT_ERR.INVALID_HASH)
        if asked.confirm:
            self.flash.keep(**({"confirmed": True} if slot == 0 else {"pending": True}))
        elif slot == 1:
            self.flash.keep(pending=True)
        else:
            return self._refused(head, images.IMG_MGMT_ERR.IMAGE_SETTING_TEST_TO_ACTIVE_DENIED)
        return self._as(head, images.ImageStatesWriteResponse, images=self._states(), splitStatus=0)

    def _upload(self, head: smp_header.Header, message: bytes) -> Any:
        asked = images.ImageUploadWriteRequest.loads(message)
        if asked.off == 0:
            if asked.len is None or asked.len > SLOT_BYTES:
                return self._refused(head, images.IMG_MGMT_ERR.INVALID_IMAGE_TOO_LARGE)
            if asked.data[:4] != b"\x3d\xb8\xf3\x96":
                return self._refused(head, images.IMG_MGMT_ERR.INVALID_IMAGE_HEADER_MAGIC)
            if self.upload.get("sha") != asked.sha:
                self.upload = {"sha": asked.sha, "len": asked.len, "data": b""}
        have: bytes = self.upload["data"]
        if asked.off == len(have):
            self.upload["data"] = have = have + asked.data
        if self.break_at is not None and len(have) >= self.break_at:
            self.break_at = None
            return b""
        if len(have) < self.upload["len"]:
            return self._as(head, images.ImageUploadWriteResponse, off=len(have))
        match = hashlib.sha256(have).digest() == self.upload["sha"]
        if match:
            self.flash.put(1, have)
        self.upload = {}
        return self._as(head, images.ImageUploadWriteResponse, off=len(have), match=match)


def serve(fd: int, server: Server) -> None:
    """Answer until a reset is asked for; between frames it logs, as Zephyr's shell and logger do."""
    os.write(fd, b"*** Booting Zephyr OS build v3.7.0 ***\r\n")
    waiting, decoder = b"", None
    while not server.reset:
        try:
            waiting += os.read(fd, 4096)
        except OSError:  # nobody has the other side open
            continue
        *lines, waiting = waiting.split(b"\n")
        for line in lines:
            if line[:2] == packet.START_DELIMITER:
                decoder = packet.decode()
                next(decoder)
            if decoder is None:
                continue
            try:
                decoder.send(line + b"\n")
            except StopIteration as whole:
                decoder = None
                if answer := server.answer(whole.value):
                    os.write(fd, b"[00:00:01.000] <inf> mgmt: asked\r\n" + b"".join(packet.encode(answer)))


def main() -> None:
    """Be switched on, and boot whenever a reset was asked for."""
    parser = argparse.ArgumentParser()
    parser.add_argument("link", type=Path)
    parser.add_argument("--break-at", type=int)
    parser.add_argument("--refuses", action="store_true")
    options = parser.parse_args()
    flash = Flash(options.link.parent)
    board, outside = os.openpty()
    tty.setraw(outside)
    options.link.unlink(missing_ok=True)
    options.link.symlink_to(os.ttyname(outside))
    flash.boot(refuses=options.refuses)
    sys.stdout.write("on\n")
    sys.stdout.flush()
    break_at = options.break_at
    while True:
        if MUTE in flash.slot(0):
            sys.stdin.read()  # until the power is cut
            return
        server = Server(flash, break_at=break_at)
        serve(board, server)
        break_at = server.break_at
        flash.boot(refuses=options.refuses)


class ZephyrBoard:
    """The board as a process: `with ZephyrBoard(folder, running=made_image(…)) as board`."""

    def __init__(self, folder: Path, *, running: bytes, options: tuple[str, ...] = ()) -> None:
        self.folder, self.options = folder, options
        self.device = folder / "zephyr"
        Flash(folder).put(0, running)
        self.process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    def start(self) -> None:
        command = [sys.executable, __file__, str(self.device), *self.options]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert self.process.stdout is not None
        assert self.process.stdout.readline() == b"on\n"

    def kill(self) -> None:
        """Cut the power."""
        if self.process is not None:
            self.process.kill()
            self.process.communicate()
        self.process = None

    def reset(self) -> None:
        """Press its button."""
        self.kill()
        self.start()


if __name__ == "__main__":
    main()
