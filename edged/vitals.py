"""What the machine says of itself: memory, load, temperature, and what a Raspberry Pi's firmware complains of."""

from __future__ import annotations

import os
from pathlib import Path

PROC = Path("/proc")
THERMAL = Path("/sys/class/thermal/thermal_zone0/temp")
THROTTLED = Path("/sys/devices/platform/soc/soc:firmware/get_throttled")

COMPLAINTS = {0: "under-voltage", 1: "frequency capped", 2: "throttled", 3: "soft temperature limit"}
"""Bits of get_throttled that are true now; the same 16 bits higher say that they were true since boot."""


def temperature_c() -> float | None:
    """Temperature of the processor, or None where there is no sensor."""
    millidegrees = _number(THERMAL, base=10)
    return None if millidegrees is None else round(millidegrees / 1000, 1)


def throttled() -> tuple[str, ...] | None:
    """What a Raspberry Pi's firmware complains of now and since boot; None on other machines."""
    bits = _number(THROTTLED, base=16)
    if bits is None:
        return None
    now = [word for bit, word in COMPLAINTS.items() if bits >> bit & 1]
    since_boot = [f"{word} since boot" for bit, word in COMPLAINTS.items() if bits >> (bit + 16) & 1]
    return (*now, *since_boot)


def load() -> float:
    """Mean load of the last minute."""
    return round(os.getloadavg()[0], 2)


def rss_bytes() -> int:
    """Resident memory of this process and of all below it, shared pages counted in each."""
    children: dict[int, list[int]] = {}
    resident: dict[int, int] = {}
    for folder in PROC.iterdir():
        if folder.name.isdigit() and (stat := _read(folder / "stat")) is not None:
            fields = stat[stat.rindex(")") + 2 :].split()  # the name before it may hold anything
            children.setdefault(int(fields[1]), []).append(int(folder.name))
            resident[int(folder.name)] = int(fields[21])
    family, found = [os.getpid()], 0
    while family:
        member = family.pop()
        found += resident.get(member, 0)
        family += children.get(member, ())
    return found * os.sysconf("SC_PAGE_SIZE")


def _number(path: Path, *, base: int) -> int | None:
    """Read a number; None where there is none: a driver may answer with nothing, or with words."""
    try:
        return int(_read(path) or "", base)
    except ValueError:
        return None


def _read(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return None
