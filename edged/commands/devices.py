"""`edged devices`: the microphones, each with the string to paste into the config."""

from __future__ import annotations

import dataclasses
import json
from typing import TYPE_CHECKING

from edged.audio.devices import list_devices
from edged.errors import SourceLost

if TYPE_CHECKING:
    import argparse


def run(arguments: argparse.Namespace) -> int:
    """Print one device a line, or all of them as JSON; SourceLost if there is none."""
    devices = list_devices()
    if arguments.json:
        print(json.dumps([dataclasses.asdict(device) | {"paste": device.paste} for device in devices]))
    for device in () if arguments.json else devices:
        print(f'device = "{device.paste}"  # {device.channels} channels, {device.rate_hz} Hz, {device.host_api}')
    if not devices:
        raise SourceLost("there is no microphone; plug one in, or join the group audio: sudo usermod -aG audio $USER")
    return 0
