"""What the TOML file may hold of a board: where it is plugged in, what it speaks, and what its scores mean."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import AfterValidator, Field, field_validator, model_validator

from edged.table import Bounded, Seconds, Share, Table, Words, wrong

if TYPE_CHECKING:
    from pydantic import ValidationInfo

SMP_BAUD, TEXT_BAUD = 1_000_000, 115_200
"""Sound needs 45 kB/s on the way to a board (mcu-firmware/PROTOCOL.md); stock firmware and sketches speak at 115200."""


def _port(port: str) -> str:
    if not re.fullmatch(r"(/|usb:)[^\s\0][^\0]*", port):
        raise wrong("names no port", way_out="Write usb:… or a whole path, as `edged board list` prints them")
    return port


def _uid(uid: str) -> str:
    digits = re.sub("[:-]", "", uid).lower()
    if not re.fullmatch(r"[0-9a-f]+", digits):
        raise wrong("is no chip's number", way_out="Write it in hexadecimal, as `edged board info` prints it")
    return digits


class Board(Table):
    """A microcontroller on a serial port."""

    port: Annotated[Bounded, AfterValidator(_port)]
    """`usb:…` or a whole path, as `edged board list` prints it; one that is not there is waited for."""
    driver: Literal["smp", "edge-impulse", "lines"] = "smp"
    """`smp`: edged's firmware, or any with MCUmgr; `edge-impulse`: stock firmware; `lines`: a sketch of your own."""
    baud: int = Field(default=SMP_BAUD, ge=300, le=4_000_000)
    """Bits per second; default 1000000, or 115200 with another driver than smp; without meaning on USB of its own."""
    dtr: bool | None = None
    """How the line DTR stands from the opening on; default: as the system sets it, which resets many boards."""
    rts: bool | None = None
    """How the line RTS stands from the opening on; default: as the system sets it."""
    uid: Annotated[Bounded, AfterValidator(_uid)] | None = None
    """The chip's own number, as `edged board info` prints it: another board at this port is refused; default: any."""
    heartbeat_s: float = Field(default=3.0, ge=0.1, le=5, allow_inf_nan=False)
    """Every so many seconds the board is asked how it is."""
    labels: Words | None = Field(default=None, min_length=1)
    """Not with `smp`: the labels that make events; default: all but `noise`, `silence` and their like."""
    background: Words = ()
    """Not with `smp`: labels that never make an event."""
    threshold: Share = 0.5
    """Not with `smp`: a score above it makes an event."""
    refractory_s: Seconds = 1.0
    """Not with `smp`: for so long after an event, no other of the same label."""

    @model_validator(mode="before")
    @classmethod
    def _driver_implies_a_baud(cls, data: object) -> object:
        if not isinstance(data, dict):
            return data
        text = data.get("driver", "smp") in {"edge-impulse", "lines"}
        return ({"baud": TEXT_BAUD} if text else {}) | data

    @field_validator("uid")
    @classmethod
    def _told_by_the_board(cls, uid: str | None, info: ValidationInfo) -> str | None:
        if info.data.get("driver") == "lines":
            raise wrong("is told by no board that speaks lines", way_out="Leave it out")
        return uid

    @field_validator("labels", "background", "threshold", "refractory_s")
    @classmethod
    def _of_scores(cls, value: Any, info: ValidationInfo) -> Any:
        if info.data.get("driver") == "smp":
            raise wrong("is for boards that send scores; this one decides by itself", way_out="Leave it out")
        return value
