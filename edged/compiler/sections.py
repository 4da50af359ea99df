"""The sections of a plan beside its network: what it is called, how it is proven, how it hears and decides."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Final

from edged.errors import ModelError

MAX_STRING_BYTES: Final = 255
MAX_OUTPUT_BYTES: Final = 0xFFFF
THRESHOLDS: Final = 255
NEVER: Final = 0xFFFF_FFFF
"""Of a sound's `max`: it may last for ever."""
MICRO: Final = 1
"""The one front end that boards have."""

_COUNT: Final = struct.Struct("<H")
_GOLDEN: Final = struct.Struct("<IHH")
_FRONT_END: Final = struct.Struct("<BBHHH")
_DECISIONS: Final = struct.Struct("<HH")
_WATCHED: Final = struct.Struct("<5B3x2i4I")


@dataclass(frozen=True, slots=True)
class Names:
    """NAME."""

    sha256: str
    """Of the `.tflite`, hexadecimal."""
    name: str
    version: str = ""
    labels: tuple[str, ...] = ()
    """In the order of the outputs; none of a bare `.tflite`."""

    def packed(self) -> bytes:
        """The section's bytes; ModelError where a string is too long."""
        told = bytes.fromhex(self.sha256) + _COUNT.pack(2 + len(self.labels))
        for text in (self.name, self.version, *self.labels):
            data = text.encode()
            if len(data) > MAX_STRING_BYTES:
                what = f"{text[:20]}… has {len(data)} bytes, and a name in a plan {MAX_STRING_BYTES} at most"
                raise ModelError(what, key="labels", way_out="Give it a shorter name")
            told += bytes([len(data)]) + data
        return told

    @classmethod
    def unpacked(cls, data: bytes) -> Names:
        """What the bytes say."""
        (count,) = _COUNT.unpack_from(data, 32)
        texts, at = [], 32 + _COUNT.size
        for _ in range(count):
            texts.append(data[at + 1 : at + 1 + data[at]].decode())
            at += 1 + data[at]
        name, version, *labels = texts + [""] * (2 - len(texts))
        return cls(data[:32].hex(), name, version, tuple(labels))


@dataclass(frozen=True, slots=True)
class Golden:
    """GOLD."""

    seed: int
    outputs: tuple[bytes, ...]
    """What LiteRT's reference kernels answer, window by window."""

    def packed(self) -> bytes:
        """The section's bytes; ModelError where an output is too long."""
        if len(self.outputs[0]) > MAX_OUTPUT_BYTES:
            what = f"its output has {len(self.outputs[0]):,} bytes, and a plan's {MAX_OUTPUT_BYTES:,} at most"
            raise ModelError(what, way_out="Make the model smaller")
        return _GOLDEN.pack(self.seed, len(self.outputs), len(self.outputs[0])) + b"".join(self.outputs)

    @classmethod
    def unpacked(cls, data: bytes) -> Golden:
        """What the bytes say."""
        seed, windows, each = _GOLDEN.unpack_from(data)
        rest = data[_GOLDEN.size :]
        return cls(seed, tuple(rest[each * i : each * (i + 1)] for i in range(windows)))


@dataclass(frozen=True, slots=True)
class FrontEnd:
    """FRNT: how the micro front end's raw values become inputs."""

    every: int
    window_frames: int
    hop_frames: int
    width: int
    thresholds: tuple[int, ...]
    """A raw value becomes the lowest input and 1 for each of these that it reaches."""

    def packed(self) -> bytes:
        """The section's bytes."""
        head = _FRONT_END.pack(MICRO, self.every, self.window_frames, self.hop_frames, self.width)
        return head + struct.pack(f"<{THRESHOLDS}HH", *self.thresholds, 0)

    @classmethod
    def unpacked(cls, data: bytes) -> FrontEnd:
        """What the bytes say."""
        _, every, window, hop, width = _FRONT_END.unpack_from(data)
        return cls(every, window, hop, width, struct.unpack_from(f"<{THRESHOLDS}H", data, _FRONT_END.size))


@dataclass(frozen=True, slots=True)
class Watched:
    """One label's policy, in whole numbers: sums of outputs, and samples."""

    column: int
    sound: bool
    """Told from its start to its end, not once."""
    mean_of: int
    n: int
    of_m: int
    threshold: int
    """Voted where the sum of the last `mean_of` is greater."""
    release: int
    """Fallen where it is not greater than this."""
    refractory: int
    min: int
    max: int
    update: int


@dataclass(frozen=True, slots=True)
class Decisions:
    """DECI: how outputs become decisions."""

    outputs: int
    watched: tuple[Watched, ...]

    def packed(self) -> bytes:
        """The section's bytes."""
        told = _DECISIONS.pack(self.outputs, len(self.watched))
        for one in self.watched:
            told += _WATCHED.pack(
                *(one.column, one.sound, one.mean_of, one.n, one.of_m, one.threshold, one.release),
                *(one.refractory, one.min, one.max, one.update),
            )
        return told

    @classmethod
    def unpacked(cls, data: bytes) -> Decisions:
        """What the bytes say."""
        outputs, count = _DECISIONS.unpack_from(data)
        rows = [_WATCHED.unpack_from(data, _DECISIONS.size + _WATCHED.size * i) for i in range(count)]
        return cls(outputs, tuple(Watched(row[0], bool(row[1]), *row[2:]) for row in rows))
