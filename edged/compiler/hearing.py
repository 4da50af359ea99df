"""How a bundle hears and decides, in whole numbers: the sections FRNT and DECI of its plan.

A board has no floats, and must say what the gateway says. Both rest on there being few possible values: the front
end's raw values are 16 bits, so the gateway's own quantising is run over all of them, and what is left is where it
steps; sums of 8-bit outputs are few, so the gateway's own comparison is made for each, and what is left is the
largest that fails.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from edged.compiler.multiplier import LIMITS
from edged.compiler.sections import NEVER, THRESHOLDS, Decisions, FrontEnd, Watched
from edged.errors import ModelError
from edged.features.spec import Micro

if TYPE_CHECKING:
    from edged.classify.bundle import Bundle
    from edged.compiler.blob import Port
    from edged.records import Policy

RAW_UNIT: Final = 10 / 256
"""Of the micro front end's raw values: `edged.features.micro` says why."""
WIDTH: Final = 40
MAX_LABELS: Final = 16
"""DECIDE_MAX_LABELS of mcu-firmware/app/decide.h."""
MAX_HISTORY: Final = 1024
"""DECIDE_HISTORY_BYTES, likewise."""
MAX_MEAN_OF: Final = 255
"""It is a byte in a plan."""


def why_not(bundle: Bundle) -> str:
    """Why a board can only run the network of a bundle, as a clause; empty where it can hear with it too."""
    if not isinstance(bundle.front_end, Micro):
        return f"the firmware has no front end {bundle.front_end.name}"
    if bundle.head is not None:
        return "the firmware has no head over an embedding"
    if bundle.output != "posterior":
        return f"the firmware makes no {bundle.output} of its outputs"
    return ""


def front_end_of(bundle: Bundle, port: Port) -> FrontEnd:
    """The section FRNT of a bundle that `why_not` has nothing against.

    Raises:
        ModelError: Its numbers are beyond a plan.
    """
    assert isinstance(bundle.front_end, Micro)  # noqa: S101 - why_not
    return FrontEnd(
        every=bundle.front_end.every,
        window_frames=bundle.window_frames,
        hop_frames=bundle.hop_frames,
        width=WIDTH,
        thresholds=_thresholds(port),
    )


def _thresholds(port: Port) -> tuple[int, ...]:
    """Where the input steps, over the raw values: `TfliteModel._quantise` over each of them."""
    low, high = LIMITS[port.dtype]
    features = (np.arange(1 << 16) * RAW_UNIT).astype(np.float32)
    exact = np.rint(features.astype(np.float64) / port.scale + port.zero)
    steps = np.clip(exact, low, high).astype(np.int64) - low
    found = np.searchsorted(steps, np.arange(1, THRESHOLDS + 1), side="left")
    if found[-1] > 0xFFFF:  # noqa: PLR2004 - the largest raw value
        what = f"its input of scale {port.scale:g} is not filled by the micro front end"
        raise ModelError(what, way_out="Quantise it anew, with features of the micro front end")
    return tuple(int(raw) for raw in found)


def decisions_of(bundle: Bundle, port: Port) -> Decisions:
    """The section DECI of such a bundle.

    Raises:
        ModelError: A board cannot hold its policies.
    """
    watched = [(column, label) for column, label in enumerate(bundle.labels) if label in bundle.policies]
    if len(watched) > MAX_LABELS:
        what = f"{len(watched)} labels are watched; a board can watch {MAX_LABELS}"
        raise ModelError(what, key="labels", way_out="Name the others in `background`")
    history = sum(bundle.policies[label].mean_of for _, label in watched)
    for _, label in watched:
        mean_of = bundle.policies[label].mean_of
        if mean_of > MAX_MEAN_OF or history > MAX_HISTORY:
            what = f"a board keeps {MAX_MEAN_OF} windows of a label and {MAX_HISTORY} of all; here it is {history}"
            raise ModelError(what, key=f"policies.{label}.mean_of", value=mean_of, way_out="Give a smaller number")
    rows = tuple(_watched(bundle, column, label, port) for column, label in watched)
    return Decisions(outputs=len(bundle.labels), watched=rows)


def _watched(bundle: Bundle, column: int, label: str, port: Port) -> Watched:
    policy = bundle.policies[label]
    return Watched(
        column=column,
        sound=policy.kind == "sound",
        mean_of=policy.mean_of,
        n=policy.n,
        of_m=policy.of_m,
        threshold=largest_sum(policy.threshold, policy, port),
        release=largest_sum(policy.threshold if policy.release is None else policy.release, policy, port),
        refractory=_samples(policy.refractory_s, bundle, f"policies.{label}.refractory_s"),
        min=_samples(policy.min_s, bundle, f"policies.{label}.min_s"),
        max=NEVER if policy.max_s is None else _samples(policy.max_s, bundle, f"policies.{label}.max_s"),
        update=_samples(policy.update_s, bundle, f"policies.{label}.update_s"),
    )


def largest_sum(bound: float, policy: Policy, port: Port) -> int:
    """The largest sum of `mean_of` outputs, each above its lowest, whose mean posterior is not greater than a bound.

    Posteriors are float32 and their mean is taken in double, as `edged.decide` does it; of a sum that several rows of
    outputs have, the evenest row is tried. With a scale of 1/256, or any power of two, every row gives the same.
    """
    low, high = LIMITS[port.dtype]
    units = np.arange(high - low + 1) + (low - port.zero)
    posteriors = (units.astype(np.float32) * np.float32(port.scale)).astype(np.float64)

    def mean(total: int) -> float:
        each, more = divmod(total, policy.mean_of)
        upper = float(posteriors[each + 1]) if more else 0.0
        return float((posteriors[each] * (policy.mean_of - more) + upper * more) / policy.mean_of)

    below, above = -1, policy.mean_of * (high - low) + 1
    while above - below > 1:
        middle = (below + above) // 2
        below, above = (middle, above) if mean(middle) <= bound else (below, middle)
    return below


def _samples(seconds: float, bundle: Bundle, key: str) -> int:
    samples = round(seconds * bundle.rate_hz)
    if samples >= NEVER:
        raise ModelError("a board counts samples in 32 bits", key=key, value=seconds, way_out="Give a shorter time")
    return samples
