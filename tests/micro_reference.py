"""The stages of the micro front end as its C sources state them, slowly, in Python's integers.

After `fft.cc`, `kiss_fft.cc`, `kiss_fftr.cc`, `filterbank.cc`, `noise_reduction.cc`, `pcan_gain_control.cc` and
`log_scale.cc` of pymicro-features 2.0.2. The package itself only gives whole features of whole windows, and no sound
brings a stage to its edges.
"""

from __future__ import annotations

import math
import runpy
from typing import TYPE_CHECKING, Final

from firmware import FIRMWARE

if TYPE_CHECKING:
    from collections.abc import Sequence

MADE: Final = runpy.run_path(str(FIRMWARE / "frontend" / "make_tables.py"))
FIRST, WIDTHS, WEIGHTS = MADE["channels"]()
GAINS: Final[list[tuple[int, int, int]]] = MADE["gains"]()
LOGS: Final[list[int]] = MADE["logs"]()
POINTS: Final = 256
TWIDDLES: Final = [MADE["root"](-2 * math.pi * k / POINTS) for k in range(POINTS)]
U32: Final = 0xFFFF_FFFF

Complex = tuple[int, int]


def int16(x: int) -> int:
    """As a cast to int16_t has it."""
    return (x + 0x8000) % 0x10000 - 0x8000


def rounded(x: int) -> int:
    """Kissfft's sround."""
    return int16((x + 0x4000) >> 15)


def divided(c: Complex, by: int) -> Complex:
    """Kissfft's C_FIXDIV."""
    return rounded(c[0] * (32767 // by)), rounded(c[1] * (32767 // by))


def product(a: Complex, b: Complex) -> Complex:
    """Kissfft's C_MUL."""
    return rounded(a[0] * b[0] - a[1] * b[1]), rounded(a[0] * b[1] + a[1] * b[0])


def total(a: Complex, b: Complex) -> Complex:
    """Kissfft's C_ADD."""
    return int16(a[0] + b[0]), int16(a[1] + b[1])


def difference(a: Complex, b: Complex) -> Complex:
    """Kissfft's C_SUB."""
    return int16(a[0] - b[0]), int16(a[1] - b[1])


def transform(points: Sequence[Complex], step: int = 1) -> list[Complex]:
    """Kissfft's kf_work with radix 4: of 4, 16, 64 or 256 points."""
    m = len(points) // 4
    quarters = [list(points[i::4]) if m == 1 else transform(points[i::4], 4 * step) for i in range(4)]
    out: list[Complex] = [(0, 0)] * len(points)
    for k in range(m):
        zero, one, two, three = (divided(quarter[k], 4) for quarter in quarters)
        one, two, three = (product(c, TWIDDLES[i * k * step]) for i, c in ((1, one), (2, two), (3, three)))
        minus, plus = difference(zero, two), total(zero, two)
        odd, even = difference(one, three), total(one, three)
        out[k], out[k + 2 * m] = total(plus, even), difference(plus, even)
        out[k + m] = int16(minus[0] + odd[1]), int16(minus[1] - odd[0])
        out[k + 3 * m] = int16(minus[0] - odd[1]), int16(minus[1] + odd[0])
    return out


def energies(points: Sequence[Complex]) -> list[int]:
    """The end of kiss_fftr, and FilterbankConvertFftComplexToEnergy: of the bins that channels hear."""
    spectrum: list[Complex] = [(0, 0)] * POINTS
    for k in range(1, POINTS // 2 + 1):
        near = divided(points[k], 2)
        far = divided((points[-k][0], int16(-points[-k][1])), 2)
        even = total(near, far)
        odd = product(difference(near, far), MADE["root"](-math.pi * (k / POINTS + 0.5)))
        spectrum[k] = (even[0] + odd[0]) >> 1, (even[1] + odd[1]) >> 1
        spectrum[-k] = (even[0] - odd[0]) >> 1, (odd[1] - even[1]) >> 1
    return [r * r + i * i for r, i in spectrum[FIRST : FIRST + len(WEIGHTS)]]


def root(x: int) -> int:
    """Sqrt64, and Sqrt32, which gives 16 bits."""
    whole = math.isqrt(x)
    nearest = whole + (x - whole * whole > whole)
    return min(nearest, 0xFFFF) if x <= U32 else nearest


def sums(bins: Sequence[int]) -> list[int]:
    """FilterbankAccumulateChannels."""
    at, own, found = 0, 0, []
    for width in WIDTHS:
        here = list(zip(bins[at : at + width], WEIGHTS[at : at + width], strict=True))
        found.append(own + sum(e * w for e, w in here))
        own, at = sum(e * (4096 - w) for e, w in here), at + width
    return found[1:]


def features(amplitudes: Sequence[int], estimate: list[int]) -> list[int]:
    """NoiseReductionApply, PcanGainControlApply, LogScaleApply; the estimate follows."""
    found = []
    for channel, amplitude in enumerate(amplitudes):
        smoothing = 983 if channel % 2 else 409
        scaled = amplitude << 10 & U32
        estimate[channel] = (scaled * smoothing + estimate[channel] * (16384 - smoothing)) >> 14 & U32
        above = (scaled - min(estimate[channel], scaled)) >> 10
        signal = max(above, amplitude * 819 >> 14)
        ratio = (signal * (gain(estimate[channel]) & U32)) >> 6 & U32
        shrunk = ratio * ratio >> 20 if ratio < 8192 else (ratio >> 6) - 64
        found.append(logarithm(shrunk << 3 & U32))
    return found


def gain(x: int) -> int:
    """WideDynamicFunction."""
    if x < 2:
        return GAINS[x][0]
    bits = x.bit_length()
    fraction = (x << (11 - bits) if bits < 11 else x >> (bits - 11)) & 0x3FF
    start, linear, square = GAINS[bits]
    return int16(((((square * fraction >> 5) + (linear << 5)) * fraction + (1 << 14)) >> 15) + start)


def logarithm(x: int) -> int:
    """Log, and 0 of 0 and of 1."""
    if x < 2:
        return 0
    whole = x.bit_length() - 1
    fraction = (x - (1 << whole)) << 16 >> whole
    segment = fraction >> 9
    bent = (LOGS[segment + 1] - LOGS[segment]) * (fraction - (segment << 9)) >> 16
    log2 = (whole << 16) + fraction + LOGS[segment] + bent
    loge = (45426 * log2 + 32768) >> 16
    return ((loge << 6) + 32768) >> 16
