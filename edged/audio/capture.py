"""The capture child: PortAudio in a process that can be killed. Only the parent starts it (`edged.audio.child`).

PortAudio's list of devices is frozen until it is terminated, and a stream on a stalled sound server can be neither read
nor closed. So this process holds PortAudio and nothing else; frames go out on stdout, and when they stop the parent
kills it. While the device is absent or busy it stays, and looks again every `RETRY_S`: PortAudio up, look, PortAudio
down. That sees the device return sooner, and costs less, than an interpreter start for each look.

It must not import NumPy, asyncio, typing or dataclasses: its memory is counted with the daemon's. It dies with its
parent: the kernel sends SIGIO when the other end of stdin closes, and SIGIO's default is to end the process, even in
the middle of a PortAudio call that never returns. SIGINT and SIGTERM are meant for the parent, which still drains.
"""

from __future__ import annotations

import fcntl
import os
import select
import signal
import sys
import time

import pyaudio

from edged.audio import identity, wire

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

RETRY_S = 0.7
"""Between two looks at an absent device; a look costs 2 to 4 ms of CPU on x86-64."""
LOOKS = 100
"""So many looks in one process image, then a fresh one: whatever a driver or a plugin left in this one ends there."""
LIST_S = 30
"""Longer than any parent waits for a list of devices."""
SPARE_MS = 10
"""So much may wait behind a chunk: asked for all of it, PortAudio would now and then wait for another period."""
MAX_CHANNELS = 8
"""Plugins claim 32 to 128 channels; no more than this is ever asked for."""
USUAL_RATES = (48000, 44100, 32000, 16000, 8000)
UNFIT = {-9994, -9997, -9998}
"""paSampleFormatNotSupported, paInvalidSampleRate, paInvalidChannelCount: another shape may do."""
UNAVAILABLE = -9985
"""paDeviceUnavailable: ALSA said EBUSY."""


class Refused(Exception):
    """The device cannot be had now; `kind` is one of wire's, the text is for a person."""

    def __init__(self, kind: str, why: str) -> None:
        self.kind = kind
        super().__init__(why)


def main(arguments: list[str]) -> int:
    """Print the devices as JSON (`--list`), or send audio for ever (`DEVICE RATE_HZ CHANNELS CHUNK_MS`)."""
    if arguments == ["--list"]:
        signal.alarm(LIST_S)  # its default ends the process: no list is worth a child that outlives its parent
        return print_devices()
    obey_parent()
    device, rate_hz, channels, chunk_ms = arguments
    for _ in range(LOOKS):
        listen(device, rate_hz=int(rate_hz), channels=int(channels), chunk_ms=int(chunk_ms))
        time.sleep(RETRY_S)
    return os.execv(sys.executable, sys.orig_argv)  # noqa: S606 - ourselves again: same pipes, parent and process id


def obey_parent() -> None:
    """Leave signals to the parent, and end when it ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    signal.signal(signal.SIGIO, signal.SIG_DFL)
    fcntl.fcntl(0, fcntl.F_SETOWN, os.getpid())
    fcntl.fcntl(0, fcntl.F_SETFL, fcntl.fcntl(0, fcntl.F_GETFL) | os.O_ASYNC)
    if select.select([0], [], [], 0)[0]:
        sys.exit("the parent went before the child was ready")


def listen(device: str, *, rate_hz: int, channels: int, chunk_ms: int) -> None:
    """Look once; send audio as long as there is any; say why it ended."""
    try:
        audio = pyaudio.PyAudio()
    except OSError as error:
        send(wire.ABSENT, f"the sound system cannot be reached: {words(error)}")
        return
    try:
        info = choose(audio, device)
        stream, rate_hz, channels = open_stream(audio, info, rate_hz=rate_hz, channels=channels, chunk_ms=chunk_ms)
        send(wire.OPENED, f"{info['name']} at {rate_hz} Hz, {channels} channel{'s' * (channels > 1)}")
        try:
            most = wire.MAX_BODY // (2 * channels)  # of an interface of eight channels and a long chunk
            pump(stream, rate_hz=rate_hz, channels=channels, frames=min(most, rate_hz * chunk_ms // 1000))
        except OSError as error:
            # Said before anything is closed: closing may hang, and then the parent kills us.
            send(wire.ABSENT, f"the device is gone: {words(error)}")
        stream.close()
    except Refused as refused:
        send(refused.kind, str(refused))
    finally:
        audio.terminate()


def pump(stream: pyaudio.Stream, *, rate_hz: int, channels: int, frames: int) -> None:
    """Send chunk after chunk until the device fails."""
    late = 0
    while True:
        body = stream.read(frames + late, exception_on_overflow=False)
        # What already waits behind this chunk was heard after it. PortAudio wakes once a period, and what a sound
        # server delivers at a time is not a period: unless the next chunk takes it along it stays late, by a period.
        behind = stream.get_read_available()
        late = min(frames, max(0, behind - rate_hz * SPARE_MS // 1000))
        stamp_ns = time.monotonic_ns() - behind * 1_000_000_000 // rate_hz
        write(wire.Frame(wire.AUDIO, body, stamp_ns=stamp_ns, rate_hz=rate_hz, channels=channels).encode())


def inputs(audio: pyaudio.PyAudio) -> list[identity.Seen]:
    """Return all devices that can record."""
    infos = [audio.get_device_info_by_index(index) for index in range(audio.get_device_count())]
    return [
        identity.Seen(
            index=info["index"],
            name=info["name"],
            host_api=audio.get_host_api_info_by_index(info["hostApi"])["name"],
            channels=info["maxInputChannels"],
            rate_hz=int(info["defaultSampleRate"]),
        )
        for info in infos
        if info["maxInputChannels"] > 0
    ]


def choose(audio: pyaudio.PyAudio, device: str) -> dict[str, object]:
    """Return PortAudio's description of the device that is meant.

    Raises:
        Refused: It is absent, busy, or one of several of that name.
    """
    kind, value = identity.parse(device)
    seen = inputs(audio)
    if kind == "default":
        try:
            return dict(audio.get_default_input_device_info())
        except OSError:
            raise Refused(wire.ABSENT, f"no default input device; {found(seen)}") from None
    match identity.find(kind, value, seen):
        case [one]:
            return dict(audio.get_device_info_by_index(one.index))
        case []:
            if holder := identity.holder(kind, value):
                raise Refused(wire.BUSY, f"{device} is in use by {holder}")
            raise Refused(wire.ABSENT, f"no such device; {found(seen)}")
        case several:
            sockets = ", ".join(f"usb:{one.usb}" for one in several if one.usb)
            way_out = f"; write one of: {sockets}" if sockets else ""
            raise Refused(wire.ABSENT, f"{len(several)} devices have this name{way_out}")


def found(seen: list[identity.Seen]) -> str:
    """Say which devices there are, as strings to paste."""
    names = ", ".join(identity.paste(one, seen) for one in seen)
    return f"there are: {names}" if names else "there is no input device at all; plug one in, or join the group audio"


def shapes(info: dict[str, object], *, rate_hz: int, channels: int) -> Iterator[tuple[int, int]]:
    """Yield rate and channels to try, the wanted ones first, each once."""
    default_hz, most = int(float(str(info["defaultSampleRate"]))), int(str(info["maxInputChannels"]))
    for count in dict.fromkeys((channels, 1, 2, min(most, MAX_CHANNELS))):
        for rate in dict.fromkeys((rate_hz, default_hz, *USUAL_RATES)):
            if count <= most:
                yield rate, count


def open_stream(
    audio: pyaudio.PyAudio, info: dict[str, object], *, rate_hz: int, channels: int, chunk_ms: int
) -> tuple[pyaudio.Stream, int, int]:
    """Open the device in the first shape that it accepts; return the stream, its rate and its channels.

    Raises:
        Refused: It is busy, or cannot be opened, or accepts none.
    """
    for rate, count in shapes(info, rate_hz=rate_hz, channels=channels):
        try:
            stream = audio.open(
                rate,
                count,
                pyaudio.paInt16,
                input=True,
                input_device_index=info["index"],
                frames_per_buffer=rate * chunk_ms // 1000,
            )
        except OSError as error:
            if error.errno == UNAVAILABLE:
                raise Refused(wire.BUSY, f"{info['name']} is in use by another program") from error
            if error.errno not in UNFIT:
                raise Refused(wire.ABSENT, f"{info['name']} cannot be opened: {words(error)}") from error
        else:
            return stream, rate, count
    raise Refused(wire.WRONG_RATE, f"{info['name']} records at no rate and channel count that we know")


def print_devices() -> int:
    """Print what `edged.audio.devices` reads: a JSON list, one object for each input device."""
    import json  # noqa: PLC0415 - not needed while listening, and memory counts there

    audio = pyaudio.PyAudio()
    try:
        seen = inputs(audio)
    finally:
        audio.terminate()
    fields = ("name", "host_api", "channels", "rate_hz", "card", "usb")
    rows = [{field: getattr(one, field) for field in fields} | {"paste": identity.paste(one, seen)} for one in seen]
    write(json.dumps(rows).encode())
    return 0


def words(error: OSError) -> str:
    """Return what PortAudio said, without the brackets."""
    return error.strerror or str(error)


def send(kind: str, text: str) -> None:
    """Send news of the device."""
    write(wire.Frame(kind, text.encode(), stamp_ns=time.monotonic_ns()).encode())


def write(data: bytes) -> None:
    """Write everything; the parent's end of the pipe blocks, so this does."""
    while data:
        data = data[os.write(1, data) :]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
