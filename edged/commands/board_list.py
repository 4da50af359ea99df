"""`edged board list`: the daemon's boards; without a daemon the serial ports, each with the line for the config."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from edged.config import control_socket
from edged.control.client import call
from edged.errors import BoardAway, DaemonAway, UserError

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from edged.mcu.ports import Port


def run(arguments: argparse.Namespace) -> int:
    """Print one board a line, or all of them as JSON; where no daemon answers, the ports."""
    try:
        boards = call(control_socket(arguments.config), "boards")["boards"]
    except (DaemonAway, UserError) as away:
        return _list_ports(str(away), as_json=arguments.json)
    if arguments.json:
        print(json.dumps({"boards": boards}))
        return 0
    if not boards:
        print("no board is in the config; `edged board list` without a daemon shows the ports", file=sys.stderr)
    print("\n".join(_row(board) for board in boards), end="\n" if boards else "")
    return 0


def _row(board: dict[str, Any]) -> str:
    """One board in a line."""
    identity = board["identity"] or {}
    kind = identity.get("board") or identity.get("speaks") or board["driver"]
    firmware = f" {identity['firmware']}" if identity.get("firmware") else ""
    why = f": {board['why']}" if board["why"] else ""
    return f"{board['name']}  {board['state']}{why}  {kind}{firmware}  {board['path'] or board['port']}"


def _list_ports(why: str, *, as_json: bool) -> int:
    from edged.mcu.ports import ports  # noqa: PLC0415 - only where no daemon knows better

    found = ports()
    if as_json:
        rows = [{name: None if value is None else str(value) for name, value in asdict(port).items()} for port in found]
        print(
            json.dumps({"ports": [row | {"paste": _paste(port, found)} for row, port in zip(rows, found, strict=True)]})
        )
    else:
        print(f"{why} These are the serial ports:", file=sys.stderr)
        for port in found:
            print(f'port = "{_paste(port, found)}"  # {port.product or "a serial port"}, {port.path}')
    if not found:
        way_out = "plug a board in, or join the group dialout: sudo usermod -aG dialout $USER"
        raise BoardAway(f"there is no serial port; {way_out}")
    return 0


def _paste(port: Port, among: Sequence[Port]) -> str:
    """What names it wherever it is plugged in, as far as anything does."""
    if port.usb_serial:
        twins = sum(other.usb_serial == port.usb_serial for other in among)
        return f"usb:{port.usb_serial}" + (f":{port.interface}" if twins > 1 and port.interface is not None else "")
    return str(port.by_id or port.path)
