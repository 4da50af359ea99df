"""Serial ports of this machine, read from sysfs, and which of them a config means.

A board is named by its USB serial number or by a path that udev makes of it (`/dev/serial/by-id/…`), because ttyACM0 is
whoever came first. Pyserial's list is not enough: it knows neither the interface of a device that has two ports nor the
names below /dev/serial.

Nothing is opened here: opening resets many boards.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path("/")
USB = "usb:"
_INTERFACE = re.compile(r"(?P<serial>.+):(?P<interface>\d{1,3})")
_NO_UART = "0"
"""PORT_UNKNOWN: a PC's kernel has 32 names of ttyS, most without anything behind them."""


@dataclass(frozen=True, slots=True)
class Port:
    """A serial port; what it does not know of itself is empty."""

    path: Path
    """/dev/ttyACM0"""
    by_id: Path | None = None
    """The name that udev makes of maker, product and serial number."""
    usb_serial: str = ""
    interface: int | None = None
    """Number of the USB interface; a device with two ports has two."""
    vid: int | None = None
    pid: int | None = None
    product: str = ""
    location: str = ""
    """Which socket of which hub: 1-1.4"""


def ports(*, root: Path = ROOT) -> tuple[Port, ...]:
    """All that there are, USB and others, in the order of their names.

    Args:
        root: Where /sys and /dev are.
    """
    names = _links(root / "dev/serial/by-id")
    return tuple(
        _port(tty, root / "dev" / tty.name, names)
        for tty in sorted(_listed(root / "sys/class/tty"), key=lambda tty: _natural(tty.name))
        if (tty / "device").exists() and (root / "dev" / tty.name).exists() and _said(tty / "type") != _NO_UART
    )


def find(wanted: str, *, root: Path = ROOT) -> Path | None:
    """The device that is meant, whatever its name is today; None: it is not plugged in, or more than one is meant.

    Args:
        wanted: `usb:SERIAL`, `usb:SERIAL:INTERFACE`, or a path.
        root: As for `ports`.
    """
    if not wanted.startswith(USB):
        path = Path(wanted)
        return path.resolve() if path.exists() else None
    found = _meant(wanted.removeprefix(USB), ports(root=root))
    return found[0].path if len(found) == 1 else None


def absence(wanted: str, *, root: Path = ROOT) -> str:
    """Why `find` finds none, in words."""
    if not wanted.startswith(USB):
        return f"there is no {wanted}"
    serial = wanted.removeprefix(USB)
    if found := _meant(serial, ports(root=root)):
        several = " and ".join(str(port.path) for port in found)
        return f"{several} have the USB serial number {serial}: name one by its path below /dev/serial/by-path"
    return f"no port has the USB serial number {serial}"


def _meant(serial: str, known: tuple[Port, ...]) -> list[Port]:
    """Ports of that serial number, which may itself have colons; without an interface the first of each device."""
    of_serial = [port for port in known if port.usb_serial == serial != ""]
    first: dict[str, Port] = {}
    for port in sorted(of_serial, key=lambda port: port.interface or 0):
        first.setdefault(port.location, port)
    if first:
        return list(first.values())
    if (told := _INTERFACE.fullmatch(serial)) is None:
        return []
    return [port for port in known if (port.usb_serial, port.interface) == (told["serial"], int(told["interface"]))]


def _port(tty: Path, device: Path, names: dict[Path, Path]) -> Port:
    """What sysfs knows of a port; a device that is just being unplugged may know less."""
    where = (tty / "device").resolve()
    interface = _number(_said(_above(where, "bInterfaceNumber") / "bInterfaceNumber"))
    usb = _above(where, "idVendor")
    has_usb = (usb / "idVendor").exists()
    return Port(
        path=device,
        by_id=names.get(device.resolve()),
        usb_serial=_said(usb / "serial"),
        interface=interface,
        vid=_number(_said(usb / "idVendor")),
        pid=_number(_said(usb / "idProduct")),
        product=_said(usb / "product"),
        location=usb.name if has_usb else "",
    )


def _above(where: Path, file: str) -> Path:
    """The device that has this file, or is nearest above and has; where none is, itself."""
    return next((folder for folder in (where, *where.parents) if (folder / file).exists()), where)


def _links(folder: Path) -> dict[Path, Path]:
    return {link.resolve(): link for link in sorted(_listed(folder))}


def _listed(folder: Path) -> Iterator[Path]:
    try:
        yield from folder.iterdir()
    except OSError:
        return


def _said(file: Path) -> str:
    """What a file of sysfs says; nothing, where it is gone."""
    try:
        return file.read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return ""


def _number(hexadecimal: str) -> int | None:
    try:
        return int(hexadecimal, 16)
    except ValueError:
        return None


def _natural(name: str) -> tuple[str, int]:
    """Sort ttyACM10 behind ttyACM9."""
    digits = len(name) - len(name.rstrip("0123456789"))
    return name[: len(name) - digits], int(name[len(name) - digits :] or 0)
