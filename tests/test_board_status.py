"""What `edged status` says of a board: what it tells, and nothing of what it does not."""

from __future__ import annotations

from typing import Any

import pytest

from edged.commands.status import _board

TOLD: dict[str, Any] = {
    "name": "attic", "port": "usb:E661", "path": "/dev/ttyACM0", "state": "up", "why": "", "events": 5, "lost": 0,
    "resets": 1, "identity": None, "pulse": None,
}  # fmt: skip
OURS = {"speaks": "edged", "board": "nano33", "uid": "5a5a", "boot": 3, "reset": "watchdog"}
PULSE = {"up_ms": 61_000, "idle": 0.974, "round_trip_ms": 1.234, "backlog": 2}
NOTHING = dict.fromkeys(("up_ms", "idle", "round_trip_ms", "backlog"))


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (
            {"identity": OURS, "pulse": PULSE},
            (
                "board    attic: up; nano33 at /dev/ttyACM0, uid 5a5a; boot 3 (watchdog); "
                "up 61 s, idle 97 %, answers in 1.2 ms; 5 events, 2 kept there, 0 lost; 1 resets"
            ),
        ),
        (
            {"state": "absent", "why": "there is no such port", "path": None},
            "board    attic: absent (there is no such port); 5 events, 0 lost; 1 resets",
        ),
        (
            {"identity": {"speaks": "lines", "board": "", "uid": "", "boot": None}, "pulse": NOTHING},
            "board    attic: up; lines at /dev/ttyACM0; 5 events, 0 lost; 1 resets",
        ),
        (
            {"identity": {"speaks": "mcumgr", "board": "zephyr", "uid": ""}, "pulse": NOTHING | {"up_ms": 5000}},
            "board    attic: up; zephyr at /dev/ttyACM0; up 5 s; 5 events, 0 lost; 1 resets",
        ),
    ],
)
def test_a_board_in_words(more: dict[str, Any], words: str) -> None:
    assert _board(TOLD | more) == words
