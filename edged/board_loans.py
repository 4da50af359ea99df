"""What the control socket can be asked that takes a board for itself for a while; docs/CONTROL.md is the contract.

The board's supervisor lends its driver, so that nobody fights for the port, and goes on keeping the lease and the log.
Each of these verbs answers with items as the work goes on; a peer that hangs up ends it, and the board is left as it
was. What goes to the board comes as a parcel (edged.control.parcel).
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import io
from dataclasses import asdict
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from edged.control.parcel import Parcels
from edged.control.server import Verb
from edged.errors import BoardAway, UserError

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping

    from edged.control.protocol import Request
    from edged.control.server import Peer
    from edged.mcu.client import SmpClient
    from edged.mcu.crew import Crew
    from edged.mcu.driver import Driver
    from edged.mcu.drivers.lines import LinesDriver
    from edged.mcu.supervisor import Supervisor

MOST_BYTES: Final = 16 * 1024 * 1024
"""Of a plan or an image: more than any board's flash."""
STILL_S: Final = 1.0
"""So often the peer hears of work that goes on, even where nothing has changed."""
MOST_S: Final = 24 * 3600.0
CSV_CHARS: Final = 64 * 1024
CSV_PAUSE_S: Final = 0.05
"""Between two such pieces: an item for which a peer has no room would be dropped."""


def board_loans(crew: Callable[[], Crew]) -> Mapping[str, Verb]:
    """Give every verb that borrows a board, with who may use it; `crew` gives who sees to them."""
    parcels = Parcels()

    async def feed(request: Request, _peer: Peer) -> dict[str, Any]:
        return await parcels.feed(request)

    return {
        "feed": Verb(feed, "write", frozenset({"token", "data", "end"})),
        "deploy": Verb(partial(_deploy, crew, parcels), "write", frozenset({"board", "what", "trial_s"})),
        "board_slots": Verb(partial(_slots, crew), "write", frozenset({"board"})),
        "board_test": Verb(partial(_test, crew, parcels), "write", frozenset({"board", "sha256"})),
        "board_record": Verb(
            partial(_record, crew), "write", frozenset({"board", "seconds", "axes", "rate_hz", "ask"})
        ),
    }


# Models and firmware.


async def _deploy(
    crew: Callable[[], Crew], parcels: Parcels, request: Request, _peer: Peer
) -> AsyncGenerator[dict[str, Any], None]:
    """Give a board another model or, `what` being "image", another firmware."""
    supervisor = crew()[request.text("board")]
    what = request.args.get("what", "model")
    if what not in ("model", "image"):
        raise UserError("is neither", key="what", value=str(what), way_out='Write "model" or "image"')
    image = what == "image"
    trial_s = _number(request, "trial_s", otherwise=15.0, most=3600.0)
    async with supervisor.lend() as driver:
        client = _smp(supervisor, driver, speaks="mcumgr" if image else "edged")
        parcel = parcels.open()
        try:
            yield {"token": parcel.token}
            data = await parcel.whole(most_bytes=MOST_BYTES)
        finally:
            parcels.close(parcel)
        work = _installed(supervisor, client, data) if image else _deployed(supervisor, client, data, trial_s)
        async with contextlib.aclosing(_worked(work)) as items:
            async for item in items:
                yield item


def _deployed(
    supervisor: Supervisor, client: SmpClient, plan: bytes, trial_s: float
) -> Callable[[Callable[[str, float, float], None]], Awaitable[Any]]:
    from edged.mcu.deploy import deploy  # noqa: PLC0415 - a daemon without boards does not pay for it

    async def work(progress: Callable[[str, float, float], None]) -> Any:
        again = partial(_again, supervisor)
        return await deploy(client, plan, trial_s=trial_s, progress=progress, again=again)

    return work


def _installed(
    supervisor: Supervisor, client: SmpClient, data: bytes
) -> Callable[[Callable[[str, float, float], None]], Awaitable[Any]]:
    from edged.mcu.image import install, read_image  # noqa: PLC0415 - likewise

    image = read_image(data)

    async def work(progress: Callable[[str, float, float], None]) -> Any:
        again = partial(_again, supervisor)
        return await install(client, image, again=again, kick=supervisor.kick, progress=progress)

    return work


async def _worked(
    work: Callable[[Callable[[str, float, float], None]], Awaitable[Any]],
) -> AsyncGenerator[dict[str, Any], None]:
    """Yield how far the work is, and in the end what came of it; given up, it is cancelled."""
    latest: dict[str, Any] = {}
    moved = asyncio.Event()

    def progress(doing: str, done: float, total: float) -> None:
        latest.update(doing=doing, done=done, total=total)
        moved.set()

    task = asyncio.ensure_future(work(progress))
    task.add_done_callback(lambda _: moved.set())
    try:
        while not task.done():
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(STILL_S):
                    await moved.wait()
            moved.clear()
            if not task.done():
                yield dict(latest)
        yield {"result": asdict(task.result())}
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def _again(supervisor: Supervisor) -> SmpClient:
    """The client of a board that may have come back on another port."""
    driver = supervisor.driver
    if driver is None:
        raise BoardAway(f"{supervisor.name} is {supervisor.health.state.value}")
    return _smp(supervisor, driver, speaks=None)


async def _slots(crew: Callable[[], Crew], request: Request, _peer: Peer) -> dict[str, Any]:
    """Tell what models a board holds."""
    from edged.mcu.deploy import slots_of  # noqa: PLC0415 - as above

    supervisor = crew()[request.text("board")]
    async with supervisor.lend() as driver:
        found = await slots_of(_smp(supervisor, driver, speaks="edged"))
    told = asdict(found)
    for slot in told["slots"]:
        slot["sha256"] = None if slot["sha256"] is None else slot["sha256"].hex()
    return {"held": told}


# Tests.


async def _test(
    crew: Callable[[], Crew], parcels: Parcels, request: Request, _peer: Peer
) -> AsyncGenerator[dict[str, Any], None]:
    """Have a board hear recordings, each a part of the parcel, and tell what it says."""
    from edged.mcu.exam import Claim, check  # noqa: PLC0415 - as above

    supervisor = crew()[request.text("board")]
    try:
        sha256 = bytes.fromhex(request.text("sha256"))
    except ValueError:
        raise UserError("is no sha256", key="sha256", way_out="Send that of the plan, in hexadecimal") from None
    async with supervisor.lend() as driver:
        client = _smp(supervisor, driver, speaks="edged")
        boot = 0 if supervisor.identity is None else supervisor.identity.boot or 0
        claim = supervisor.claim
        if not isinstance(claim, Claim) or claim.boot != boot:
            supervisor.claim = claim = Claim(boot)
        selftest = await check(client, sha256)
        parcel = parcels.open()
        try:
            yield {"token": parcel.token, "selftest": asdict(selftest)}
            async for sound in parcel.parts():
                async with contextlib.aclosing(_sat(client, sound, claim)) as items:
                    async for item in items:
                        yield item
        finally:
            parcels.close(parcel)


async def _sat(client: SmpClient, sound: AsyncIterator[bytes], claim: Any) -> AsyncGenerator[dict[str, Any], None]:
    from edged.mcu.exam import Answered, Sitting, sit  # noqa: PLC0415 - as above

    async with contextlib.aclosing(sit(client, sound, claim)) as items:
        async for item in items:
            match item:
                case Answered(runs, outputs):
                    yield {"runs": runs, "outputs": base64.b64encode(outputs).decode("ascii")}
                case Sitting():
                    yield {"sitting": asdict(item)}


# Recordings.


async def _record(crew: Callable[[], Crew], request: Request, _peer: Peer) -> AsyncGenerator[dict[str, Any], None]:
    """Hand on what a board's microphone hears or, of a sketch, the lines of its data forwarder as CSV."""
    supervisor = crew()[request.text("board")]
    seconds = _number(request, "seconds", otherwise=10.0, most=MOST_S)
    async with supervisor.lend() as driver:
        if supervisor.settings.driver == "lines":
            recorded = _forwarded(driver, request, seconds)  # type: ignore[arg-type]  # the setting says which it is
        else:
            recorded = _played(_smp(supervisor, driver, speaks="edged"), seconds)
        async with contextlib.aclosing(recorded) as items:
            async for item in items:
                yield item


async def _played(client: SmpClient, seconds: float) -> AsyncGenerator[dict[str, Any], None]:
    from edged.mcu.tape import play  # noqa: PLC0415 - as above

    async with contextlib.aclosing(play(client, seconds=seconds)) as stretches:
        async for stretch in stretches:
            yield {"first": stretch.first, "audio": base64.b64encode(stretch.samples).decode("ascii")}


async def _forwarded(driver: LinesDriver, request: Request, seconds: float) -> AsyncGenerator[dict[str, Any], None]:
    axes = [axis.strip() for axis in str(request.args.get("axes") or "").split(",") if axis.strip()]
    rate_hz = _number(request, "rate_hz", otherwise=0.0, most=100_000.0) or None
    ask = request.args.get("ask") is True
    lines = 0

    def progress(count: int) -> None:
        nonlocal lines
        lines = count

    task = asyncio.ensure_future(driver.forward(seconds, axes=axes, rate_hz=rate_hz, ask=ask, progress=progress))
    try:
        while not (await asyncio.wait([task], timeout=STILL_S))[0]:
            yield {"lines": lines}
        found = task.result()
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    text = io.StringIO()
    found.write(text)
    written = text.getvalue()
    for at in range(0, len(written), CSV_CHARS):
        yield {"csv": written[at : at + CSV_CHARS]}
        await asyncio.sleep(CSV_PAUSE_S)
    yield {"rate_hz": found.rate_hz, "axes": list(found.axes), "rows": len(found.rows), "lost": found.lost}


# What all of them need.


def _smp(supervisor: Supervisor, driver: Driver, *, speaks: str | None) -> SmpClient:
    """The client of a board that speaks so; of another one, UserError."""
    from edged.mcu.drivers.smp import SmpDriver  # noqa: PLC0415 - as above

    name, identity = supervisor.name, supervisor.identity
    if not isinstance(driver, SmpDriver) or (speaks == "edged" and identity and identity.speaks != "edged"):
        what = "does not run edged's firmware, which alone can do that"
        way_out = "Name a board that does; `edged board list` says which they are"
        raise UserError(what, key="board", value=name, way_out=way_out)
    if speaks == "mcumgr" and identity and identity.speaks == "edged":
        what = "runs edged's own firmware, which is not changed over the line"
        raise UserError(what, key="board", value=name, way_out="Flash it: `make -C mcu-firmware BOARD=… flash`")
    return driver.client


def _number(request: Request, name: str, *, otherwise: float, most: float) -> float:
    """An argument that is a number from 0 on, or absent."""
    value = request.args.get(name)
    if value is None:
        return otherwise
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= most:
        raise UserError("is no such number", key=name, value=str(value), way_out=f"Write one from 0 to {most:g}")
    return float(value)
