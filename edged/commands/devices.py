"""`edged devices`: the microphones, each with the string to paste into the config."""

from __future__ import annotations

import dataclasses
import json
from typing import TYPE_CHECKING

from edged.audio.devices import list_devices

if TYPE_CHECKING:
    import argparse


def run(arguments: argparse.Namespace) -> int:
    """Print one device a line, or all of them as JSON; 1 if there is none."""
    devices = list_devices()
    if arguments.json:
        print(json.dumps([dataclasses.asdict(device) | {"paste": device.paste} for device in devices]))
    elif not devices:
        print("No microphone. Plug one in, and be in the group audio: sudo usermod -aG audio $USER")
    for device in () if arguments.json else devices:
        print(f'device = "{device.paste}"  # {device.channels} channels, {device.rate_hz} Hz, {device.host_api}')
    return 0 if devices else 1
