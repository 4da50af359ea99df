"""What a board's owner would not want in a log: keys and passwords in what a board prints. Pure.

Stock Edge Impulse firmware prints its project's keys and its Wi-Fi password in answer to `AT+CONFIG?`
(edgeimpulse/firmware-nordic-thingy53, src/ei_at_handlers.cpp). Every line of a board's text passes here, and a line may
have lost its beginning on the way: what looks like the rest of a key is taken for one.
"""

from __future__ import annotations

import re

REDACTED = "(redacted)"

_NAMED = re.compile(r"(?i)(key|password|passwd|ssid|secret|token)(\s*[:=]\s*)\S.*")
_KEY = re.compile(r"ei_[0-9A-Za-z]{8,}|(?<![0-9A-Za-z])[0-9a-fA-F]{20,}(?![0-9A-Za-z])")
"""The key of an Edge Impulse project begins so; HMAC keys are hexadecimal, and longer than the chip's own number."""


def redact(text: str) -> str:
    """The text without keys and passwords."""
    return _KEY.sub(REDACTED, _NAMED.sub(rf"\1\2{REDACTED}", text))
