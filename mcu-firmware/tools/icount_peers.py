"""What others need for the same models, to be beaten: constants that were measured once, in the same emulator.

Instructions on mps2-an386 in QEMU 7.2, gcc 12.2, TensorFlow Lite Micro at 90b983c2, its reference kernels and
those of CMSIS-NN at 99f736a6, registrations for int8 only. Streamed models: the mean of 40 inferences.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Peer:
    """TensorFlow Lite Micro on one model."""

    reference: int
    """Instructions of an inference, with the reference kernels."""
    cmsis: int
    """Instructions, with CMSIS-NN."""
    arena: int
    """Bytes, with CMSIS-NN."""
    flash: int
    """Bytes of the image without the model, with CMSIS-NN."""


PEERS: Final = {
    "micro_speech_quantized": Peer(9_310_041, 1_494_847, 6_836, 45_296),
    "mlperf_kws_ref_model": Peer(43_040_031, 7_699_213, 22_820, 54_492),
    "mlperf_ic_pretrainedResnet_quant": Peer(107_401_174, 29_864_678, 54_996, 57_992),
    "mlperf_ad01_int8": Peer(1_952_461, 582_865, 2_580, 29_320),
    "mlperf_str_ww_ref_model": Peer(8_286_438, 2_227_418, 16_596, 51_956),
    "mww_v2_hey_jarvis": Peer(323_714, 161_907, 17_764, 69_344),
    "mww_v2_okay_nabu": Peer(371_904, 193_585, 19_540, 69_344),
    "mww_v2_vad": Peer(187_169, 93_800, 10_372, 69_344),
}
"""By the model's name. No vww: that model is not in the shared folder."""

FRONT_END: Final = (83_000, 87_000)
"""Instructions of the C sources of pymicro-features for 10 ms, from quiet to loud."""
