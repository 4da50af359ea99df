"""Writing a recording: a 16-bit WAV of an exact length, which appears whole or not at all; or as bytes."""

from __future__ import annotations

import contextlib
import io
import os
import wave
from pathlib import Path
from typing import TYPE_CHECKING

from edged.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator
    from typing import IO

    from edged.records import Pcm


def write_wav(
    path: str | Path,
    heard: Iterator[Pcm],
    *,
    rate_hz: int,
    channels: int,
    length_ms: int,
    progress: Callable[[int], None] | None = None,
) -> Path:
    """Write what is heard until it is long enough, and return the path of the finished file.

    Args:
        path: Where to; an older file of that name is replaced at the end.
        heard: Samples in any pieces, each of shape (n, channels) or, of one channel, (n,).
        rate_hz: Of the samples.
        channels: Of the samples.
        length_ms: How much of it.
        progress: Called with the milliseconds written so far.

    Raises:
        UserError: The file cannot be written.
    """
    path = Path(path)
    written, wanted = 0, length_ms * rate_hz // 1000
    with _whole_file(path) as file, wave.open(file, "wb") as wav:
        wav.setnchannels(channels)
        wav.setsampwidth(2)
        wav.setframerate(rate_hz)
        while written < wanted:
            samples = next(heard)[: wanted - written]
            wav.writeframesraw(samples.astype("<i2", copy=False).tobytes())
            written += len(samples)
            if progress is not None:
                progress(written * 1000 // rate_hz)
    return path


def wav_bytes(samples: Pcm, *, rate_hz: int) -> bytes:
    """Make the content of a 16-bit WAV file of one channel: samples of shape (n,)."""
    made = io.BytesIO()
    with wave.open(made, "wb") as wav:
        wav.setnchannels(1)
        wav.setsampwidth(2)
        wav.setframerate(rate_hz)
        wav.writeframes(samples.astype("<i2", copy=False).tobytes())
    return made.getvalue()


@contextlib.contextmanager
def _whole_file(path: Path) -> Generator[IO[bytes], None, None]:
    """Open a file that gets its name only when all went well.

    Raises:
        UserError: It cannot be written.
    """
    partial = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        if path.is_dir():
            raise IsADirectoryError(21, "it is a folder")
        with partial.open("wb") as file:
            yield file
        partial.replace(path)
    except OSError as error:
        way_out = "Name a file in a folder that you may write to"
        raise UserError(f"it cannot be written ({error.strerror})", file=path, way_out=way_out) from error
    finally:
        with contextlib.suppress(OSError):  # it was renamed, or never made
            partial.unlink()
