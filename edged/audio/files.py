"""Recordings, read block by block as int16: WAV, FLAC, OGG.

The standard library reads the plain case, a WAV of 16-bit PCM; soundfile reads the others (24 bit, float,
WAVE_EXTENSIBLE, FLAC) and is imported for them only. What a recorder killed in mid-file or a pipe leaves behind, a
header that claims more than there is, is read as far as it goes: only a file without one sample in it is an error.
"""

from __future__ import annotations

import contextlib
import wave
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from edged.errors import AudioFileError

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator

    from edged.records import Pcm

WHOLE = frozenset({"PCM_S8", "PCM_U8", "PCM_16", "PCM_24", "PCM_32", "ULAW", "ALAW"})
"""Subtypes that libsndfile gives as int16 itself; of the others it gives floats, and the rounding is ours."""
PCM_BYTES = 2
"""A sample of 16 bits."""
WAY_OUT = "Give a WAV, FLAC or OGG file with sound in it"


@dataclass(frozen=True, slots=True)
class AudioFile:
    """An open recording; `open_audio` makes it."""

    path: Path
    rate_hz: int
    channels: int
    claimed: int
    """Sample frames by the header, which may claim too many."""
    read: Callable[[int], Pcm]
    """Return the next so many sample frames, shape (n, channels), fewer at the end."""

    def blocks(self, frames: int) -> Iterator[Pcm]:
        """Yield the samples in order, shape (n, channels): n is `frames`, and less only in the last block.

        Raises:
            AudioFileError: There is not one sample.
        """
        heard = False
        while len(block := self.read(frames)):
            heard = True
            yield block
        if not heard:
            raise AudioFileError("there is no sound in it", file=self.path, way_out=WAY_OUT)


@contextlib.contextmanager
def open_audio(path: str | Path) -> Generator[AudioFile, None, None]:
    """Open a recording, and close it again.

    Raises:
        AudioFileError: It is missing, unreadable, a folder, empty, or not audio.
    """
    path = Path(path)
    try:
        size = path.stat().st_size
    except OSError as error:
        raise _unopened(path, error) from None
    if path.is_file() and not size:
        raise AudioFileError("the file is empty", file=path, way_out=WAY_OUT)
    with contextlib.ExitStack() as stack:
        yield _open_wave(path, stack) or _open_other(path, stack)


def duration_s(path: str | Path) -> float:
    """Return the length of a recording by its header, which is right unless the file was cut short.

    Raises:
        AudioFileError: It cannot be read.
    """
    with open_audio(path) as file:
        return file.claimed / file.rate_hz


def _open_wave(path: Path, stack: contextlib.ExitStack) -> AudioFile | None:
    """Open a WAV of 16-bit PCM; None if it is something else."""
    try:
        file = stack.enter_context(path.open("rb"))
        wav = stack.enter_context(wave.open(file))  # noqa: SIM115 - the stack closes it
    except OSError as error:
        raise _unopened(path, error) from None
    except (wave.Error, EOFError):
        return None
    channels, rate_hz = wav.getnchannels(), wav.getframerate()
    if wav.getsampwidth() != PCM_BYTES or not rate_hz:
        return None

    def read(frames: int) -> Pcm:
        data = wav.readframes(frames)
        whole = len(data) - len(data) % (PCM_BYTES * channels)
        return np.frombuffer(data[:whole], dtype="<i2").reshape(-1, channels)

    # A header written before the length was known claims up to 4 GB: the file's size knows better.
    claimed = min(wav.getnframes(), path.stat().st_size // (PCM_BYTES * channels))
    return AudioFile(path, rate_hz, channels, claimed, read)


def _open_other(path: Path, stack: contextlib.ExitStack) -> AudioFile:
    """Open whatever libsndfile can read."""
    import soundfile  # noqa: PLC0415 - 3 MB that the plain case does not need

    try:
        file = stack.enter_context(soundfile.SoundFile(str(path)))
    except soundfile.LibsndfileError as error:
        what = f"this is not a recording that can be read ({error.error_string.rstrip('.')})"
        raise AudioFileError(what, file=path, way_out=WAY_OUT) from None
    dtype = "int16" if file.subtype in WHOLE else "float32"

    def read(frames: int) -> Pcm:
        try:
            block = file.read(frames, dtype=dtype, always_2d=True)
        except soundfile.LibsndfileError:  # damaged from here on
            block = np.zeros((0, file.channels), np.int16)
        if block.dtype == np.float32:
            block = np.clip(np.rint(np.nan_to_num(block) * 32768), -32768, 32767)
        return np.asarray(block, np.int16)

    return AudioFile(path, file.samplerate, file.channels, max(0, file.frames), read)


def _unopened(path: Path, error: OSError) -> AudioFileError:
    match error:
        case FileNotFoundError():
            what, way_out = "there is no such file", "Name a recording that exists"
        case IsADirectoryError():
            what, way_out = "this is a folder, not a recording", "Name a file in it"
        case _:
            why = (error.strerror or str(error)).lower()
            what, way_out = f"cannot be read: {why}", "Name a file that this user may read"
    return AudioFileError(what, file=path, way_out=way_out)
