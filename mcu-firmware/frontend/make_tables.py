"""Writes tables.h and tables.c, the constants of the front end: type `python make_tables.py` in this folder.

The formulas are those of TensorFlow Lite Micro's audio front end and of kissfft in 16-bit fixed point, as
pymicro-features 2.0.2 brings and configures them (`*_util.cc`, `log_lut.cc`, `kiss_fft.cc`, `kiss_fftr.cc`,
`micro_features.cpp`). They compute in float; so does this, with each transcendental rounded once from double, so that
no platform's libm can change a table.
"""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Final

import numpy as np
from numpy import float32

RATE_HZ: Final = 16_000
WINDOW: Final = 480
FFT: Final = 512
CHANNELS: Final = 40
BAND_HZ: Final = (125.0, 7500.0)
SMOOTHING: Final = (0.025, 0.06)
"""Of the noise, for even and for odd channels."""
REMAINING: Final = 0.05
"""What noise reduction leaves of a signal, at least."""
GAIN: Final = (0.95, 80.0, 21)
"""Of PCAN: strength, offset, bits of the gain."""
WINDOW_BITS: Final = 12
WEIGHT_BITS: Final = 12
NOISE_BITS: Final = 14
ESTIMATE_BITS: Final = 10
SNR_BITS: Final = 12
CORRECTION_BITS: Final = 3
"""log2(FFT) less half of WEIGHT_BITS: what the square root of a scaled energy lacks."""
LOG_SEGMENTS: Final = 128
GLIBC: Final = {149: 2471, 221: 1401}
"""Weights, by bin, that stand on the edge between two integers, and fall as the log1pf of Debian 12's glibc is an ulp
off there. The package asks the gateway's log1pf when it starts: these are what it has on Debian 12."""

HEADER: Final = """\
/* Constants of the front end. Made by frontend/make_tables.py, which says where they come from: change that. */
"""


def rounded(value: float32) -> int:
    """To the nearest integer, halves up, in float32, as the C sources do."""
    return int(np.floor(float32(value) + float32(0.5)))


def window() -> list[int]:
    """Hann's window between the samples, in 1/4096."""
    arg = float32(np.pi) * float32(2) / float32(WINDOW)
    cosine = [float32(np.cos(float(arg * (float32(i) + float32(0.5))))) for i in range(WINDOW)]
    return [rounded((float32(0.5) - float32(0.5) * c) * float32(1 << WINDOW_BITS)) for c in cosine]


def mel(hz: float) -> float32:
    """The pitch of a frequency."""
    return float32(1127) * float32(np.log1p(float(float32(hz) / float32(700))))


def channels() -> tuple[int, list[int], list[int]]:
    """The first bin that counts, how many bins each of the 41 half channels has, and each bin's weight in 1/4096.

    A bin's weight goes to the channel before, the rest of 4096 to its own: triangles that overlap by half.
    """
    per_bin = float32(0.5) * float32(RATE_HZ) / float32(FFT // 2)
    low, high = (mel(hz) for hz in BAND_HZ)
    spacing = (high - low) / float32(CHANNELS + 1)
    edges = [low, *(low + spacing * float32(i + 1) for i in range(CHANNELS + 1))]
    first = int(float32(1.5) + float32(BAND_HZ[0]) / per_bin)
    at, widths, weights = first, [], []
    for below, above in pairwise(edges):
        start = at
        while mel(float(float32(at) * per_bin)) <= above:
            share = (above - mel(float(float32(at) * per_bin))) / (above - below)
            weights.append(GLIBC.get(at, quantised(share)))
            at += 1
        widths.append(at - start)
    return first, widths, weights


def quantised(share: float32) -> int:
    """A weight in 1/4096, whose complement must be what is left of 4096: the code relies on that."""
    one = float32(1 << WEIGHT_BITS)
    weight, rest = rounded(share * one), rounded((float32(1) - share) * one)
    if weight + rest != 1 << WEIGHT_BITS:
        raise ValueError(f"weight {weight} and its complement {rest} do not fill {1 << WEIGHT_BITS}")
    return weight


def gain(x: int) -> int:
    """PCAN's gain for an estimate of the noise."""
    strength, offset, bits = GAIN
    estimate = float32(x) / float32(1 << (ESTIMATE_BITS - CORRECTION_BITS))
    power = float32(float(estimate + float32(offset)) ** -float(float32(strength)))
    scaled = float32(1 << bits) * power
    return min(int(scaled + float32(0.5)), 0x7FFF)


def gains() -> list[tuple[int, int, int]]:
    """For each bit length of the estimate, a parabola through its ends and its middle; at 0 and 1 plain values."""
    rows = [(gain(0), 0, 0), (gain(1), 0, 0)]
    for bits in range(2, 33):
        begin = 1 << (bits - 1)
        end = 2 * begin - (bits == 32)  # noqa: PLR2004 - a uint32_t ends there
        y0, y1, y2 = gain(begin), gain(begin + begin // 2), gain(end)
        linear = 4 * (y1 - y0) - (y2 - y0)
        rows.append((y0, linear, (y2 - y0) - linear))
    return rows


def logs() -> list[int]:
    """log2(1 + x) - x at the ends of all segments, in 1/65536."""
    x = np.arange(LOG_SEGMENTS + 1) / LOG_SEGMENTS
    return [int(v) for v in np.floor((np.log2(1 + x) - x) * 65536 + 0.5)]


def root(phase: float) -> tuple[int, int]:
    """e^(i phase), in 1/32767: real, imaginary."""
    return int(np.floor(0.5 + 32767 * np.cos(phase))), int(np.floor(0.5 + 32767 * np.sin(phase)))


def twiddles() -> list[int]:
    """Of the second to fourth stage, in the order of use: for k from 1 to m - 1 the k-th, 2k-th and 3k-th root."""
    points = FFT // 2
    flat: list[int] = []
    for m in (4, 16, 64):
        for k in range(1, m):
            for power in (1, 2, 3):
                flat += root(-2 * np.pi * (power * k * (points // (4 * m))) / points)
    return flat


def splits(first: int) -> list[int]:
    """Of the last step, which takes the spectrum of 512 real points out of one of 256 complex ones: from `first` on."""
    points = FFT // 2
    return [part for k in range(first, points // 2 + 1) for part in root(-np.pi * (k / points + 0.5))]


def order() -> list[int]:
    """The first points of the first stage's groups: 0 to 63 with their three digits of base 4 reversed."""
    return [(g % 4) * 16 + (g // 4 % 4) * 4 + g // 16 for g in range(64)]


def roots() -> list[int]:
    """Square roots of 64 to 255 and their last fraction, in 1/16: where a root of 16 bits begins."""
    return [int(np.sqrt(256 * i + 255)) for i in range(64, 256)]


def lines(values: list[int]) -> str:
    """Numbers, sixteen a line."""
    rows = [values[i : i + 16] for i in range(0, len(values), 16)]
    return ",\n".join("    " + ", ".join(map(str, row)) for row in rows)


def tables() -> dict[str, tuple[str, list[int]]]:
    """Each table: its type and its numbers."""
    first, widths, weights = channels()
    return {
        "window": ("uint16_t", window()),
        "order": ("uint8_t", order()),
        "twiddles": ("int16_t", twiddles()),
        "splits": ("int16_t", splits(first)),
        "widths": ("uint8_t", widths),
        "weights": ("uint16_t", weights),
        "roots": ("uint8_t", roots()),
        "gains": ("int16_t", [part for row in gains() for part in row]),
        "logs": ("uint16_t", logs()),
    }


def constants() -> dict[str, int]:
    """Numbers that the code needs as numbers."""
    first, _, weights = channels()
    return {
        "FIRST_BIN": first,
        "BINS": len(weights),
        "SMOOTHING_EVEN": int(float32(SMOOTHING[0]) * float32(1 << NOISE_BITS)),
        "SMOOTHING_ODD": int(float32(SMOOTHING[1]) * float32(1 << NOISE_BITS)),
        "REMAINING": int(float32(REMAINING) * float32(1 << NOISE_BITS)),
        "WINDOW_BITS": WINDOW_BITS,
        "WEIGHT_BITS": WEIGHT_BITS,
        "NOISE_BITS": NOISE_BITS,
        "ESTIMATE_BITS": ESTIMATE_BITS,
        "CORRECTION_BITS": CORRECTION_BITS,
        "SNR_SHIFT": GAIN[2] - CORRECTION_BITS - SNR_BITS,
    }


def header() -> str:
    """The text of tables.h."""
    names = "".join(f"#define FRONTEND_{name} {value}\n" for name, value in constants().items())
    externs = "".join(f"extern const {kind} frontend_{name}[{len(v)}];\n" for name, (kind, v) in tables().items())
    guard = "EDGED_FRONTEND_TABLES_H"
    return f"{HEADER}#ifndef {guard}\n#define {guard}\n\n#include <stdint.h>\n\n{names}\n{externs}\n#endif\n"


def source() -> str:
    """The text of tables.c."""
    bodies = "".join(
        f"\nconst {kind} frontend_{name}[{len(values)}] = {{\n{lines(values)},\n}};\n"
        for name, (kind, values) in tables().items()
    )
    return f'{HEADER}#include "tables.h"\n{bodies}'


def main() -> None:
    """Write both beside this script."""
    here = Path(__file__).parent
    (here / "tables.h").write_text(header(), encoding="utf-8")
    (here / "tables.c").write_text(source(), encoding="utf-8")


if __name__ == "__main__":
    main()
