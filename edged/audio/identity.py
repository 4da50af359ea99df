"""Which device is meant: names that survive a reboot, matched against what PortAudio sees now.

A device is written `default`, `name:USB PnP Sound Device` or `usb:1-1.3`. Never an index, and never the `(hw:1,0)`
that PortAudio appends: cards are renumbered whenever something is plugged. `usb:` is the socket:
`/sys/class/sound/card1/device` leads to `…/usb1/1-1/1-1.3/1-1.3:1.0`, and `1-1.3` stays as long as the plug does.
`name:` is the card's name, or the whole of PortAudio's name without its suffix where a card has several inputs.

The capture child imports this module, so it imports next to nothing.
"""

from __future__ import annotations

import os

SYSFS = "/sys"
PROC = "/proc"


class Seen:
    """An input device as PortAudio shows it at this moment; `index` is good only until PortAudio ends."""

    __slots__ = ("card", "channels", "host_api", "index", "name", "rate_hz", "usb")

    def __init__(  # noqa: D417 - the fields are PortAudio's
        self, *, index: int, name: str, host_api: str, channels: int, rate_hz: int, sysfs: str = SYSFS
    ) -> None:
        """Read card and USB path from the name.

        Args:
            name: As PortAudio says it, with `(hw:1,0)` if it is there.
            sysfs: Where sysfs is; another place in tests.
        """
        self.index = index
        self.host_api = host_api
        self.channels = channels
        self.rate_hz = rate_hz
        self.name, self.card = split_name(name)
        self.usb = None if self.card is None else usb_path(self.card, sysfs=sysfs)


def parse(device: str) -> tuple[str, str]:
    """Split a device string into kind (`default`, `name`, `usb`) and value.

    Raises:
        ValueError: It is none of the three.
    """
    if device == "default":
        return "default", ""
    kind, colon, value = device.partition(":")
    if not colon or kind not in {"name", "usb"} or not value.strip():
        raise ValueError("names no device")
    return kind, value.strip()


def split_name(name: str) -> tuple[str, int | None]:
    """Split `USB Mic: Audio (hw:1,0)` into the name without its suffix and the card number."""
    head, bracket, tail = name.rpartition(" (hw:")
    card = tail.partition(",")[0].rstrip(")")
    if not bracket or not tail.endswith(")") or not card.isdigit():
        return name, None
    return head, int(card)


def usb_path(card: int, *, sysfs: str = SYSFS) -> str | None:
    """Return where a card is plugged in, such as `1-1.3`, or None if it is not on USB."""
    interface = os.path.realpath(f"{sysfs}/class/sound/card{card}/device").rpartition("/")[2]
    path, colon, _ = interface.partition(":")
    bus, dash, ports = path.partition("-")
    on_usb = colon and dash and bus.isdigit() and ports.replace(".", "").isdigit()
    return path if on_usb else None


def card_name(name: str) -> str:
    """Return the card's part of a PortAudio name: `USB Mic` of `USB Mic: Audio`."""
    return name.partition(": ")[0]


def find(kind: str, value: str, seen: list[Seen]) -> list[Seen]:
    """Return the devices that a parsed string can mean: none, one, or too many."""
    if kind == "usb":
        # Several inputs of one card share the socket; the first is the microphone on every card met so far.
        return [one for one in seen if one.usb == value][:1]
    return [one for one in seen if one.name == value] or [one for one in seen if card_name(one.name) == value]


def paste(one: Seen, seen: list[Seen]) -> str:
    """Return the string to write for a device: by name while that is unique, else by its USB socket."""
    for name in (card_name(one.name), one.name):
        if find("name", name, seen) == [one]:
            return f"name:{name}"
    return f"usb:{one.usb}" if one.usb else f"name:{one.name}"


def holder(kind: str, value: str, *, sysfs: str = SYSFS, proc: str = PROC) -> str | None:
    """Say which process holds a card that PortAudio hides because it is busy; None if the card is absent or free.

    PortAudio opens every device to look at it, and leaves out those it cannot open: a busy card looks like a missing
    one. The kernel knows better, in `/proc/asound/card1/pcm0c/sub0/status`.
    """
    for card in _cards(proc):
        if kind == "usb" and usb_path(card, sysfs=sysfs) != value:
            continue
        if kind == "name" and _names(card, proc) != card_name(value):
            continue
        if owner := _owner(card, proc):
            return owner
    return None


def _cards(proc: str) -> list[int]:
    try:
        entries = [entry.name for entry in os.scandir(f"{proc}/asound")]
    except OSError:
        return []
    return sorted(int(entry[4:]) for entry in entries if entry.startswith("card") and entry[4:].isdigit())


def _names(card: int, proc: str) -> str:
    """Return the card's short name from lines such as ` 1 [Device         ]: USB-Audio - USB PnP Sound Device`."""
    for line in _text(f"{proc}/asound/cards").splitlines():
        number, bracket, rest = line.partition("[")
        if bracket and number.strip() == str(card):
            return rest.partition("]: ")[2].partition(" - ")[2].strip()
    return ""


def _owner(card: int, proc: str) -> str | None:
    """Return `process 1234 (arecord)` if the card's first capture stream is open."""
    for line in _text(f"{proc}/asound/card{card}/pcm0c/sub0/status").splitlines():
        key, _, value = line.partition(":")
        if key.strip() == "owner_pid":
            pid = value.strip()
            return f"process {pid} ({_text(f'{proc}/{pid}/comm').strip() or 'unknown'})"
    return None


def _text(path: str) -> str:
    try:
        with open(path, encoding="utf-8", errors="replace") as file:  # noqa: PTH123 - pathlib weighs 1 MB in the child
            return file.read()
    except OSError:
        return ""
