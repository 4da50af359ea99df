"""The firmware's front end, called from Python, beside the gateway's."""

from __future__ import annotations

import ctypes
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from edged.features.micro import MicroFrontEnd

if TYPE_CHECKING:
    from edged.records import Pcm

Raw = NDArray[np.uint16]
"""Frames as the C code gives them, 40 channels wide; a feature is raw * 10/256."""

CHANNELS: Final = 40
UNTOUCHED: Final = 0xBEEF
STATE_BYTES: Final = 8192
"""More than any struct frontend takes; it begins as garbage."""


class BoardFrontEnd:
    """mcu-firmware/frontend, in a library that was built of it."""

    def __init__(self, library: ctypes.CDLL) -> None:
        self._library = library
        library.frontend_push.restype = ctypes.c_size_t
        library.frontend_push.argtypes = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_size_t, *[ctypes.c_void_p] * 2]
        self._state = (ctypes.c_uint64 * (STATE_BYTES // 8))(*[0xA5A5A5A5A5A5A5A5] * (STATE_BYTES // 8))
        self.reset()

    def reset(self) -> None:
        self._library.frontend_reset(ctypes.byref(self._state))

    def push(self, samples: Pcm) -> Raw:
        """All frames that the samples complete; holds the C code to its contract on the way."""
        samples = np.ascontiguousarray(samples, dtype=np.int16)
        frames, at = [], 0
        while at < len(samples):
            features = np.full(CHANNELS, UNTOUCHED, dtype=np.uint16)
            complete = ctypes.c_int(-1)
            here: Any = samples[at:].ctypes.data
            taken = self._library.frontend_push(
                ctypes.byref(self._state), here, len(samples) - at, features.ctypes.data, ctypes.byref(complete)
            )
            at += taken
            assert complete.value in {0, 1}
            if complete.value:
                frames.append(features)
            else:
                assert at == len(samples), "stopped without a frame"
                assert (features == UNTOUCHED).all(), "wrote without a frame"
        return np.array(frames, dtype=np.uint16).reshape(-1, CHANNELS)


def gateway(samples: Pcm) -> Raw:
    """What the gateway makes of the samples, in raw values."""
    frames = np.rint(MicroFrontEnd().push(np.asarray(samples, dtype=np.int16)) * 25.6)
    raw: Raw = frames.astype(np.uint16).reshape(-1, CHANNELS)
    return raw
