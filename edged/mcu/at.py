"""Edge Impulse's stock firmware: its AT commands, what it answers, and both formats of its results. Sans-IO.

Read from its makers' sources: firmware-sdk/at-server (`firmware-espressif-esp32`), src/ei_at_handlers.cpp
(`firmware-nordic-thingy53`), src/ingestion-sdk-c/ei_run_impulse.cpp (`firmware-arduino-nano-33-ble-sense`),
classifier/ei_print_results.h (`inferencing-sdk-cpp`), cli/ei-serial-protocol.ts (`edge-impulse-cli`), all edgeimpulse's
on GitHub.

A command ends with a return and is echoed; its answer ends with the prompt `> `. `b` stops what runs, and where nothing
runs it is a command that does not exist: either way a prompt follows. Some firmware loses what comes faster than
PIECE_BYTES in PIECE_S. `AT+CONFIG?` tells who the board is, and prints its owner's keys beside that: see secrets.py.

    Predictions (DSP: 16 ms., Classification: 1 ms., Anomaly: 2 ms.):         Timing: DSP 140 ms, inference 4 ms, …
        no: 0.08984                                                           #Classification predictions:
        yes: 0.91016                                                            no: 0.089844
        anomaly score: -0.067                                                   yes: 0.910156

A result is good when it has as many labels as the board said it has classes (`No. of classes`), and the same as the one
before; other labels are believed when they come twice. For a line may be torn on the way, and a torn label must not
become an event. (A number that was torn and is still one cannot be told from another.)
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from edged.mcu.board import Identity
from edged.mcu.lines import NUMBER, Scored, Timed, label, share, times

if TYPE_CHECKING:
    from collections.abc import Iterable

PROMPT = b"> "
PIECE_BYTES, PIECE_S = 5, 0.020
"""edge-impulse-cli cli/ei-serial-protocol.ts, execCommand."""
STOP = "b"
CONFIG = "AT+CONFIG?"
RUN_CONTINUOUSLY = "AT+RUNIMPULSECONT"
RUN = "AT+RUNIMPULSE"
"""Waits 2 s between two inferences; for models that cannot run continuously."""
RESET = "AT+RESET"
"""Optional in the command set 1.8.0; most boards have none."""

_REFUSED = re.compile(
    r"(?:Not a valid AT command|Command not found!|No handler for command!) \(AT\+|Command not implemented|^ERR\b"
)
"""Of what we asked; `b` is refused too, with its name, where nothing runs."""
_STARTED = re.compile(r"^Starting inferencing")
_CHATTER = re.compile(
    r"^(Recording|Sampling|Not a valid AT command \(b?\)|Inferencing (settings|stopped)"
    r"|\s*(Interval|Frame size|Sample length)\b|b$|AT\+[A-Z]+\??$)"
)
"""The last two are echoes."""
_TIMES = re.compile(r"^(Timing: |Predictions \()")
_CLASSES = re.compile(r"^\s*No\. of classes: (\d{1,4})$")
_HEADER = re.compile(r"^(Predictions( \(.*\))?:|#?Classification predictions:)\s*$")
_ANOMALY = re.compile(rf"^\s*(anomaly score|Anomaly prediction): *({NUMBER}|-?nan|-?inf)$", re.IGNORECASE)
_SCORE = re.compile(rf"^\s*(?P<label>\S.*?):\s*(?P<score>{NUMBER}|-?nan)$")
_SECTION = re.compile(r"^=+ (?P<name>.+?) =+$")


@dataclass(frozen=True, slots=True)
class Refused:
    """The board says that it has no such command, or that it cannot."""

    why: str


@dataclass(frozen=True, slots=True)
class Began:
    """The impulse runs."""


@dataclass(frozen=True, slots=True)
class Chatter:
    """Part of a result, or what the firmware says beside results: a sign of life, and nothing to log."""


@dataclass(frozen=True, slots=True)
class Torn:
    """A result that is not whole, or has other labels than before."""


def pieces(command: str) -> list[bytes]:
    """A command with its end, in pieces that the slowest firmware takes."""
    written = command.encode("ascii") + b"\r"
    return [written[at : at + PIECE_BYTES] for at in range(0, len(written), PIECE_BYTES)]


def refusal(line: str) -> str | None:
    """What the board says, if it says that it has no such command, or cannot."""
    return line.strip() if _REFUSED.search(line) else None


def misheard(why: str, command: str) -> bool:
    """Whether a refusal is of another command than was sent: a character was lost on the way."""
    return "(AT+" in why and f"({command})" not in why


def identity(answer: Iterable[str]) -> Identity | None:
    """Who answers `AT+CONFIG?` so; None where that is no Edge Impulse firmware."""
    section, device, sensors = "", {}, []
    for line in answer:
        if found := _SECTION.match(line.strip()):
            section = found["name"].strip().lower()
            continue
        key, colon, value = line.strip().partition(":")
        if colon and section == "device info":
            device[key.strip().lower()] = value.strip()
        elif section == "sensors":
            sensors.append(line.lower())
    if "at version" not in device:
        return None
    return Identity(
        speaks="edge-impulse",
        board=device.get("type", ""),
        firmware=f"AT {device['at version']}",
        uid=device.get("id", "").replace(":", "").lower(),
        microphone=any("microphone" in sensor for sensor in sensors) if sensors else None,
    )


Said: TypeAlias = Scored | Timed | Refused | Began | Chatter | Torn


class Results:
    """What a running impulse prints, line by line."""

    def __init__(self) -> None:
        self.begin_anew()

    def begin_anew(self) -> None:
        """Another run begins: what was known of its model is forgotten."""
        self._classes: int | None = None
        self._labels: tuple[str, ...] | None = None
        self._doubted: dict[str, float] | None = None
        """The last result, if it had other labels."""
        self._open: dict[str, float] | None = None
        self._torn = self._full = False

    def read(self, line: str) -> list[Said]:
        """What a line says, after what it ends; nothing where it is the firmware's own talk."""
        if (score := _SCORE.match(line)) and not _ANOMALY.match(line):
            if self._open is not None:
                return self._score(self._open, score["label"], score["score"])
            if self._full and line[0].isspace() and share(score["score"]) is not None:  # of more classes than it said
                self.begin_anew()
                return [Torn()]
        said = self._beside(line)
        if said is None:
            return []
        ended = self._end()
        if _HEADER.match(line):
            self._open, self._torn = {}, False
        self._full = False
        return [*ended, said]

    def _beside(self, line: str) -> Said | None:
        """What a line beside the scores says."""
        if _TIMES.match(line):
            return times(line)
        if (why := refusal(line)) is not None:
            return Refused(why)
        if _STARTED.match(line):
            return Began()
        if classes := _CLASSES.match(line):
            self._classes = int(classes[1])
        known = classes or _HEADER.match(line) or _ANOMALY.match(line) or _CHATTER.match(line)
        return Chatter() if known else None

    def _score(self, scores: dict[str, float], name: str, number: str) -> list[Said]:
        fit = label(name)
        score = 0.0 if number.endswith("nan") else share(number)  # a model that divides by 0 says nothing
        if fit is None or score is None:
            self._torn = True
        else:
            scores[fit] = score
        self._full = not self._torn and len(scores) == self._classes
        return self._end() if self._full else [Chatter()]

    def _end(self) -> list[Said]:
        """The result that is at its end, if one is open."""
        if self._open is None:
            return []
        scores, self._open = self._open, None
        if self._torn or not scores:
            return [Torn()]
        doubted, self._doubted = self._doubted, None
        if tuple(scores) == self._labels:
            return [Scored(scores)] if doubted is None else [Torn(), Scored(scores)]
        if doubted is not None and list(doubted) == list(scores):
            self._labels, self._classes = tuple(scores), len(scores)
            return [Scored(doubted), Scored(scores)]
        self._doubted = scores
        return [Chatter()] if doubted is None else [Torn()]
