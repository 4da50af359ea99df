"""Firmware images for Zephyr boards; the peer is an MCUmgr server by other hands, with MCUboot's two slots."""

from __future__ import annotations

import asyncio
import contextlib
import random
from typing import TYPE_CHECKING, Any

import pytest
from board_client import client_of
from smp import image_management as images
from zephyr_board import MUTE, SLOT_BYTES, Flash, ZephyrBoard, made_image

from edged.errors import BoardAway, BoardRefused, ModelError
from edged.mcu import smp
from edged.mcu.image import Installed, install, is_image, read_image

if TYPE_CHECKING:
    from pathlib import Path

    from edged.mcu.client import SmpClient
    from edged.mcu.smp import Message

OLD = made_image(b"the old one" * 50)
NEW = made_image(random.Random(40).randbytes(20_000), version=(1, 2, 3), protected=b"\x50\0\4\0dep1")


async def installed(
    board: ZephyrBoard, data: bytes = NEW, *, kick: bool = True, patience: bool = True, **how: Any
) -> Installed:
    """Install over connections that are opened as the supervisor would."""

    async def pressed() -> None:
        await asyncio.to_thread(board.reset)

    async with contextlib.AsyncExitStack() as stack:
        first = await stack.enter_async_context(client_of(board.device))

        async def again() -> SmpClient:
            await stack.aclose()
            return await stack.enter_async_context(client_of(board.device))

        back_s = 20 if patience else 3
        image = read_image(data)
        return await install(first, image, again=again, kick=pressed if kick else None, back_s=back_s, **how)


def runs(board: ZephyrBoard) -> tuple[bytes, dict[str, bool]]:
    """What lies in slot 0, and MCUboot's flags, with the power cut."""
    board.kill()
    flash = Flash(board.folder)
    return flash.slot(0), flash.flags


def test_an_image_says_its_version_and_the_hash_by_which_it_is_named(tmp_path: Path) -> None:
    image = read_image(NEW)
    assert image.version == "1.2.3"
    Flash(tmp_path).put(0, NEW)
    told = images.ImageState(slot=0, version="1.2.3", hash=image.hash)
    assert told.hash == image.hash == NEW[-32:]
    assert is_image(NEW)
    assert not is_image(b"EDPL" + NEW)


@pytest.mark.parametrize("data", [b"", NEW[:20], NEW[:-1], NEW[:32], NEW[:-36], b"\0" + NEW])
def test_what_is_no_image_is_refused(data: bytes) -> None:
    with pytest.raises(ModelError, match=r"is no firmware image of MCUboot's|is cut off, or was never signed"):
        read_image(data)


def test_hurt_images_are_refused_or_read_and_nothing_else() -> None:
    rng = random.Random(41)
    for _ in range(3000):
        hurt = bytearray(NEW[: rng.randrange(32, len(NEW) + 1)])
        for _ in range(rng.randrange(6)):
            at = rng.randrange(40) if rng.random() < 0.5 else len(hurt) - 1 - rng.randrange(min(90, len(hurt)))
            hurt[at] = rng.randrange(256)
        with contextlib.suppress(ModelError):
            assert len(read_image(bytes(hurt)).hash) == 32


def test_an_image_is_uploaded_tested_and_confirmed(tmp_path: Path) -> None:
    steps: list[tuple[str, float, float]] = []
    with ZephyrBoard(tmp_path, running=OLD) as board:
        done = asyncio.run(installed(board, progress=lambda *step: steps.append(step)))
        slot, flags = runs(board)
    assert (done.version, done.already, done.sent_bytes, done.resumed_at) == ("1.2.3", False, len(NEW), 0)
    assert (slot, flags) == (NEW, {"pending": False, "confirmed": True})
    assert [what for what, _, _ in steps if what == "uploading"]
    assert list(dict.fromkeys(what for what, _, _ in steps)) == ["uploading", "booting", "confirming"]


def test_what_runs_already_is_left_alone(tmp_path: Path) -> None:
    with ZephyrBoard(tmp_path, running=NEW) as board:
        done = asyncio.run(installed(board))
        assert (done.already, done.sent_bytes) == (True, 0)


def test_an_upload_that_broke_off_goes_on(tmp_path: Path) -> None:
    async def twice(board: ZephyrBoard) -> Installed:
        with pytest.raises(BoardAway):
            await asyncio.wait_for(installed(board, patience=False), 60)
        return await installed(board)

    with quick(), ZephyrBoard(tmp_path, running=OLD, options=("--break-at", "7000")) as board:
        done = asyncio.run(twice(board))
        slot, _ = runs(board)
    assert done.resumed_at >= 7000
    assert done.sent_bytes == len(NEW) - done.resumed_at
    assert slot == NEW


@contextlib.contextmanager
def quick() -> Any:
    """Let silence be found sooner."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("edged.mcu.image.ERASE_S", 1.0)
        patch.setattr("edged.mcu.image.TRIES", 1)
        yield


def test_an_image_that_never_answers_is_gone_with_the_next_reset(tmp_path: Path) -> None:
    mute = made_image(MUTE * 100, version=(6, 6, 6))
    with ZephyrBoard(tmp_path, running=OLD) as board:
        with pytest.raises(BoardRefused, match=r"6\.6\.6 never answered; after a reset it runs 1\.0\.0 again"):
            asyncio.run(installed(board, mute, patience=False))
        slot, flags = runs(board)
    assert (slot, flags["confirmed"]) == (OLD, True)


def test_where_nobody_can_press_its_button_it_says_so(tmp_path: Path) -> None:
    mute = made_image(MUTE * 100, version=(6, 6, 6))
    with ZephyrBoard(tmp_path, running=OLD) as board:
        with pytest.raises(BoardAway, match=r"the next reset brings 1\.0\.0 back: press its button"):
            asyncio.run(installed(board, mute, kick=False, patience=False))
        board.reset()
        done = asyncio.run(installed(board, OLD))
        assert done.already


def test_an_image_that_is_too_large_is_refused_in_words(tmp_path: Path) -> None:
    with ZephyrBoard(tmp_path, running=OLD) as board:
        with pytest.raises(BoardRefused, match="the image is larger than its slot"):
            asyncio.run(installed(board, made_image(bytes(SLOT_BYTES))))
        assert runs(board)[0] == OLD


def test_an_image_that_the_boot_loader_refuses_is_not_taken_for_the_new_one(tmp_path: Path) -> None:
    with ZephyrBoard(tmp_path, running=OLD, options=("--refuses",)) as board:
        with pytest.raises(BoardRefused, match=r"the board did not boot 1\.2\.3, and runs 1\.0\.0"):
            asyncio.run(installed(board))
        slot, flags = runs(board)
    assert (slot, flags) == (OLD, {"pending": False, "confirmed": True})


@pytest.mark.parametrize("where", ["before", "after"])
def test_power_that_is_cut_leaves_one_that_runs(tmp_path: Path, where: str) -> None:
    """In the upload, and between test and confirmation."""
    calls: list[str] = []

    def cut(what: str, done: float, _total: float) -> None:
        calls.append(what)
        if (where, what) in (("before", "uploading"), ("after", "confirming")) and (done > 9000 or where == "after"):
            board.kill()

    with quick(), ZephyrBoard(tmp_path, running=OLD) as board:
        with pytest.raises(BoardAway):
            asyncio.run(installed(board, kick=False, patience=False, progress=cut))
        board.start()
        slot, flags = runs(board)
    assert slot == OLD
    assert flags == {"pending": False, "confirmed": True}


def test_a_request_fits_the_boards_buffer(tmp_path: Path) -> None:
    """Also in an upload's first message, which says more."""
    sizes: list[int] = []

    class Noted:
        def __init__(self, client: SmpClient) -> None:
            self.client = client

        async def ask(self, request: Message, *, timeout_s: float = 2.0, tries: int = 1) -> Message:
            sizes.append(len(smp.write(request)))
            return await self.client.ask(request, timeout_s=timeout_s, tries=tries)

    async def noted(board: ZephyrBoard) -> None:
        async with client_of(board.device) as client:
            noting = Noted(client)

            async def again() -> Noted:
                return noting

            await install(noting, read_image(NEW), again=again, back_s=20)

    with ZephyrBoard(tmp_path, running=OLD) as board:
        asyncio.run(noted(board))
    assert 384 - 4 - 2 <= max(sizes) <= 384 - 4
