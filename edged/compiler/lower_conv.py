"""CONV_2D, DEPTHWISE_CONV_2D and FULLY_CONNECTED as records.

Four output channels lie side by side, and the input's zero point is folded into the bias.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from edged.compiler.multiplier import ROUND_ONCE, activation_range, checked, f32
from edged.compiler.records import ONCE, TWICE, Conv, Depthwise
from edged.compiler.site import check_quantised

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from edged.compiler.model import Operator, Tensor
    from edged.compiler.records import Record
    from edged.compiler.site import Site

GROUP: Final = 4
"""Output channels side by side: PLAN.md."""
RANK: Final = 4


@dataclass(frozen=True, slots=True)
class Axis:
    """How a window goes over one axis."""

    size: int
    made: int
    kernel: int
    stride: int
    dilation: int
    pad: int
    """Before the beginning."""

    @property
    def padded(self) -> bool:
        """Whether any of it lies outside."""
        return self.pad > 0 or (self.made - 1) * self.stride + (self.kernel - 1) * self.dilation + 1 > self.size


def axis_of(operator: Operator, which: str, *, size: int, kernel: int, made: int) -> Axis:
    """As ComputePaddingHeightWidth of tensorflow/lite/kernels/padding.h; ModelError where `made` is otherwise."""
    stride, dilation = operator.number(f"stride_{which}"), int(operator.options.get(f"dilation_{which}", 1))
    if min(stride, dilation, kernel, size) < 1:
        raise operator.refused(f"has a window of {kernel}, stride {stride}, dilation {dilation} over {size}")
    reach = (kernel - 1) * dilation + 1
    match operator.number("padding"):
        case 0:
            wanted = -(-size // stride)
        case 1:
            wanted = (size + stride - reach) // stride
        case other:
            raise operator.refused(f"has padding number {other}; SAME and VALID can be compiled")
    if wanted != made or made < 1:
        raise operator.refused(f"makes {wanted} of {size}, and its output has {made}")
    pad = max(0, (made - 1) * stride + reach - size) // 2
    return Axis(size, made, kernel, stride, dilation, pad)


def lower_conv(operator: Operator, site: Site) -> Iterator[Record]:
    """CONV_2D."""
    taken, weights, made = site.taken(operator, 0), site.taken(operator, 1), site.made(operator)
    check_quantised(operator, taken, made)
    values = _weights(operator, weights, rank=RANK)
    out_c, k_h, k_w, depth = values.shape
    if depth != taken.shape[-1]:
        raise operator.refused(f"has groups: {depth} of {taken.shape[-1]} channels", way_out="Train it without groups")
    scales = _by_channel(operator, weights, channels=out_c, axis=0)
    multipliers = [checked(taken.scale * scale / made.scale, operator) for scale in scales]
    yield from _windowed(operator, site, values, (k_h, k_w), multipliers)


def lower_depthwise(operator: Operator, site: Site) -> Iterator[Record]:
    """DEPTHWISE_CONV_2D; over one channel it is a convolution like any other."""
    taken, weights, made = site.taken(operator, 0), site.taken(operator, 1), site.made(operator)
    check_quantised(operator, taken, made)
    values = _weights(operator, weights, rank=RANK)
    _, k_h, k_w, out_c = values.shape
    if values.shape[0] != 1 or out_c % taken.shape[-1]:
        raise operator.refused(f"has weights of {list(weights.shape)} for {taken.shape[-1]} channels")
    scales = _by_channel(operator, weights, channels=out_c, axis=3)
    multipliers = [checked(taken.scale * scale / made.scale, operator) for scale in scales]
    by_channel = values[0].transpose(2, 0, 1)[..., np.newaxis]
    yield from _windowed(operator, site, by_channel, (k_h, k_w), multipliers)


def lower_fully_connected(operator: Operator, site: Site) -> Iterator[Record]:
    """FULLY_CONNECTED: a convolution of 1 x 1 over as many rows as there are."""
    taken, weights, made = site.taken(operator, 0), site.taken(operator, 1), site.made(operator)
    check_quantised(operator, taken, made)
    values = _weights(operator, weights, rank=2)
    out_c, depth = values.shape
    if operator.number("weights_format") or taken.elements % depth:
        raise operator.refused(f"has weights of {list(weights.shape)}, format {operator.number('weights_format')}")
    rows = taken.elements // depth
    if made.elements != rows * out_c:
        raise operator.refused(f"makes {rows * out_c} numbers, its output {list(made.shape)} has {made.elements}")
    if len(weights.scales) > 1:
        scales = _by_channel(operator, weights, channels=out_c, axis=0)
        multipliers = [checked(taken.scale * scale / made.scale, operator) for scale in scales]
    else:  # one product in float32: GetQuantizedConvolutionMultipler, of kernel_util.cc
        scale = f32(taken.scale * weights.scale)
        multipliers = [checked(scale / made.scale, operator)] * out_c
    constants = _constants(operator, site, values.reshape(out_c, 1, 1, depth), multipliers)
    low, high = activation_range(operator, made)
    yield Conv(
        src=site.place(taken),
        out=site.place(made),
        in_h=rows,
        in_w=1,
        in_c=depth,
        out_h=rows,
        out_w=1,
        out_c=out_c,
        **dict.fromkeys(("k_h", "k_w", "stride_h", "stride_w", "dilation_h", "dilation_w"), 1),
        **{"pad_top": 0, "pad_left": 0, **constants, "pad_row": constants["weights"]},
        out_zero=made.zero,
        act_min=low,
        act_max=high,
        rounding=ONCE if operator.name in ROUND_ONCE[site.library] else TWICE,
    )


def _windowed(
    operator: Operator,
    site: Site,
    values: NDArray[np.int8],
    kernel: tuple[int, int],
    multipliers: list[tuple[int, int]],
) -> Iterator[Record]:
    """One record an image; weights are [out][h][w][in], with one `in` where each channel has its own."""
    taken, made = site.taken(operator, 0), site.made(operator)
    if len(taken.shape) != RANK or len(made.shape) != RANK or taken.shape[0] != made.shape[0]:
        raise operator.refused(f"makes {list(made.shape)} of {list(taken.shape)}")
    if made.shape[3] != len(multipliers):
        raise operator.refused(f"has {len(multipliers)} channels, its output {made.shape[3]}")
    depthwise = operator.name == "DEPTHWISE_CONV_2D" and taken.shape[3] > 1
    down = axis_of(operator, "h", size=taken.shape[1], kernel=kernel[0], made=made.shape[1])
    across = axis_of(operator, "w", size=taken.shape[2], kernel=kernel[1], made=made.shape[2])
    constants = _constants(operator, site, values, multipliers)
    low, high = activation_range(operator, made)
    # A row that nobody will read need not be there: any bytes do.
    pad_row = constants["weights"]
    if down.padded or across.padded:
        pad_row = site.pool.repeated(taken.zero, taken.shape[3] * (1 if depthwise else kernel[1]))
    told: dict[str, Any] = {
        "in_h": down.size,
        "in_w": across.size,
        "in_c": taken.shape[3],
        "out_h": down.made,
        "out_w": across.made,
        "out_c": made.shape[3],
        "k_h": down.kernel,
        "k_w": across.kernel,
        "stride_h": down.stride,
        "stride_w": across.stride,
        "dilation_h": down.dilation,
        "dilation_w": across.dilation,
        "pad_top": down.pad,
        "pad_left": across.pad,
        **constants,
        "pad_row": pad_row,
        "out_zero": made.zero,
        "act_min": low,
        "act_max": high,
    }
    for image in range(taken.shape[0]):
        src = site.place(taken) + image * (taken.elements // taken.shape[0])
        out = site.place(made) + image * (made.elements // made.shape[0])
        if depthwise:
            yield Depthwise(src=src, out=out, **told, channel_multiplier=made.shape[3] // taken.shape[3])
        else:
            yield Conv(src=src, out=out, **told)


def _weights(operator: Operator, weights: Tensor, *, rank: int) -> NDArray[np.int8]:
    if weights.data is None:
        raise operator.refused("its weights are worked out", way_out="Use a model whose weights are constants")
    if weights.dtype != "int8" or any(weights.zeros):
        what = f"its weights are {weights.dtype}" + (", with a zero point" if any(weights.zeros) else "")
        raise operator.refused(f"{what}; int8 around 0 can be compiled")
    if len(weights.shape) != rank or not weights.elements:
        raise operator.refused(f"its weights are of {list(weights.shape)}")
    return np.frombuffer(weights.data, dtype=np.int8).reshape(weights.shape)


def _by_channel(operator: Operator, weights: Tensor, *, channels: int, axis: int) -> tuple[float, ...]:
    if len(weights.scales) == 1:
        return weights.scales * channels
    if len(weights.scales) != channels or weights.axis != axis:
        raise operator.refused(f"has {len(weights.scales)} scales for {channels} channels on axis {weights.axis}")
    return weights.scales


def _constants(
    operator: Operator, site: Site, values: NDArray[np.int8], multipliers: list[tuple[int, int]]
) -> dict[str, int]:
    """The offsets of weights, bias, multipliers and shifts."""
    channels = len(multipliers)
    zero = site.taken(operator, 0).zero
    sums = values.reshape(channels, -1).sum(axis=1, dtype=np.int64)
    folded = _bias(operator, site, channels) - zero * sums
    return {
        "weights": site.pool.add(_grouped(values)),
        "bias": site.pool.words(folded.astype(np.int32).tolist()),  # wraps, as an accumulator does
        "multiplier": site.pool.words([multiplier for multiplier, _ in multipliers]),
        "shift": site.pool.shifts([shift for _, shift in multipliers]),
    }


def _grouped(values: NDArray[np.int8]) -> bytes:
    """[out][h][w][in] as [out/4][h][w][in][4]; absent channels are 0."""
    channels = -(-len(values) // GROUP) * GROUP
    filled = np.zeros((channels, *values.shape[1:]), dtype=np.int8)
    filled[: len(values)] = values
    return np.moveaxis(filled.reshape(-1, GROUP, *values.shape[1:]), 1, -1).tobytes()


def _bias(operator: Operator, site: Site, channels: int) -> NDArray[np.int64]:
    if len(operator.inputs) < 3 or operator.inputs[2] < 0:  # noqa: PLR2004 - input, weights, bias
        return np.zeros(channels, dtype=np.int64)
    bias = site.taken(operator, 2)
    if bias.data is None or bias.dtype != "int32" or bias.elements != channels:
        what = f"its bias is {bias.dtype} of {list(bias.shape)}; {channels} constants of int32 can be compiled"
        raise operator.refused(what)
    return np.frombuffer(bias.data, dtype="<i4").astype(np.int64)
