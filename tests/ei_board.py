"""A board with stock Edge Impulse firmware, played on a pty: its AT server, its impulse, and its impatience.

What it says, and when, is taken from its makers' sources, all of github.com/edgeimpulse:

- firmware-espressif-esp32: firmware-sdk/at-server/ei_at_server.cpp (every printable character is echoed, a return is
  echoed as a whole line end and runs what was typed, the prompt is `> `, and the three refusals),
  edge-impulse/ingestion-sdk-platform/espressif_esp32/ei_at_handlers.cpp (the answer to `AT+CONFIG?`, keys included),
  edge-impulse/inference/ei_run_audio_impulse.cpp (settings, old results, `b` read while the handler waits, the prompt
  after it), ei_run_fusion_impulse.cpp (a model that cannot run continuously says so after it said that it begins),
  firmware-sdk/ei_device_lib.cpp (what stops a run), main/main.cpp (what it says as it boots).
- firmware-nordic-thingy53: src/main.cpp (`b` seen beside the handler; the return behind it is then an empty command),
  src/ei_at_handlers.cpp (no prompt after a run has begun), src/inference/ei_run_audio_impulse.cpp.
- inferencing-sdk-cpp: classifier/ei_print_results.h (new results; times under 1000 us in us).
- firmware-arduino-nano-33-ble-sense: src/ingestion-sdk-c/ei_run_impulse.cpp (old results as `%.5f`).
- edge-impulse-cli: cli/ei-serial-protocol.ts (5 bytes every 20 ms, "for pacing"). Here what comes faster is lost.
"""

from __future__ import annotations

import os
import random
import select
import threading
import time
import tty
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Self

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

PIECE_BYTES, PIECE_S = 5, 0.020
API_KEY = "ei_" + "0123456789abcdef" * 3
HMAC_KEY = "fedcba9876543210" * 2
WIFI_WORDS = "correct horse"
SECRETS = (API_KEY, HMAC_KEY, WIFI_WORDS)
MAC = "3C:61:05:11:D6:EC"


def config(*, mac: str = MAC, microphone: bool = True) -> str:
    """The answer to `AT+CONFIG?`."""
    sensor = "Built-in microphone, Max sample length: 60s, Frequencies: [16000.00Hz, 8000.00Hz]"
    inertial = "Built-in accelerometer, Max sample length: 300s, Frequencies: [62.50Hz, 100.00Hz]"
    return (
        f"===== Device info =====\nID:         {mac}\nType:       ESPRESSIF_ESP32\nAT Version: 1.8.0\n"
        "Data Transfer Baudrate: 115200\n\n"
        f"===== Sensors ======\nName: {sensor if microphone else inertial}\n\n"
        "===== Snapshot ======\nHas snapshot:         0\nResolutions:          [  ]\n\n"
        "===== Inference ======\nSensor:           1\r\nModel type:       classification\r\n\n"
        f"===== WIFI =====\nSSID:      home\nPassword:  {WIFI_WORDS}\nSecurity:  0\nMAC:       {mac}\n"
        "Connected: 0\nPresent:   0\n\n"
        "===== Sampling parameters =====\nLabel:     test\nInterval:  0.06 ms.\nLength:    10000 ms.\n"
        f"HMAC key:  {HMAC_KEY}\n\n"
        f"===== Upload settings =====\nApi Key:   {API_KEY}\nHost:      ingestion.example.org\nPath:      /api\n\n"
        "===== Remote management =====\nURL:        wss://remote.example.org\nConnected:  0\nLast error: \n\n"
    )


def settings(classes: int) -> str:
    """What a run says first."""
    return (
        f"Inferencing settings:\n\tInterval: 0.0625ms.\n\tFrame size: 16000\n\tSample length: 1000.00 ms.\n"
        f"\tNo. of classes: {classes}\nStarting inferencing, press 'b' to break\n"
    )


def old_result(scores: Mapping[str, float], *, anomaly: float | None = None) -> str:
    lines = [f"    {label}: \t{score:.5f}\r\n" for label, score in scores.items()]
    if anomaly is not None:
        lines.append(f"    anomaly score: {anomaly:.3f}\r\n")
    return "Predictions (DSP: 16 ms., Classification: 1 ms., Anomaly: 2 ms.): \n" + "".join(lines)


def new_result(scores: Mapping[str, float], *, anomaly: float | None = None) -> str:
    lines = [f"  {label}: {score:.6f}\n" for label, score in scores.items()]
    if anomaly is not None:
        lines.append(f"Anomaly prediction: {anomaly:.6f}\n")
    return "Timing: DSP 140 ms, inference 997 us, anomaly 0 ms\n#Classification predictions:\n" + "".join(lines)


RESULTS: dict[str, Callable[..., str]] = {"old": old_result, "new": new_result}


@dataclass
class EiBoard:
    """The board; it runs in a thread from `__enter__` to `__exit__`.

    Args:
        results: What its impulse finds, window after window; then the last one again and again.
        results_as: Their format.
        waits: The handler of a run waits for its end (esp32), or a run goes on beside it (thingy53).
        continuous: Its model can run continuously.
        resets: It has `AT+RESET`.
        every_s: From one result to the next.
        anomaly: It has an anomaly block, which says so.
        mangle: What becomes of a result's text on the wire.
        config: The answer to `AT+CONFIG?`.
        seed: Of the pieces in which it writes.
    """

    results: Sequence[Mapping[str, float]] = ()
    results_as: Literal["old", "new"] = "new"
    waits: bool = True
    continuous: bool = True
    resets: bool = False
    every_s: float = 0.02
    anomaly: float | None = None
    mangle: Callable[[str], str] = lambda text: text
    config: str = field(default_factory=config)
    seed: int = 1
    paced: bool = True
    commands: list[str] = field(default_factory=list)
    """As they were run."""
    lost_bytes: int = 0
    """That came too fast."""
    loses: int = 0
    """After so many characters one is lost; 0: none is."""
    said: int = 0
    """Results."""
    path: Path = field(default=Path(), init=False)

    def __enter__(self) -> Self:
        self._master, self._slave = os.openpty()
        tty.setraw(self._slave)
        os.set_blocking(self._master, False)
        self.path = Path(os.ttyname(self._slave))
        self._rng = random.Random(self.seed)
        self._typed = ""
        self._running: Literal["no", "continuously", "with pauses"] = "no"
        self._next_s = 0.0
        self._came: list[float] = []
        self._ended = threading.Event()
        self._hung = threading.Event()
        self._order: list[Callable[[], None]] = []
        self._thread = threading.Thread(target=self._play, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.unplug()

    @property
    def running(self) -> bool:
        return self._running != "no"

    def unplug(self) -> None:
        """It is gone, and its pty with it."""
        if not self._ended.is_set():
            self._ended.set()
            self._thread.join()
            os.close(self._master)
            os.close(self._slave)

    def hang(self) -> None:
        """From now on it neither hears nor speaks."""
        self._hung.set()

    def reboot(self) -> None:
        """It begins anew by itself."""
        self._order.append(self._boot)

    def print(self, data: bytes) -> None:
        """Say this, among other things."""
        self._order.append(lambda: self._write(data))

    def _play(self) -> None:
        while not self._ended.is_set():
            if self._hung.is_set():
                time.sleep(0.01)
                continue
            while self._order:
                self._order.pop(0)()
            left_s = max(0.0, self._next_s - time.monotonic()) if self.running else 0.01
            if select.select([self._master], [], [], min(0.01, left_s))[0]:
                for byte in os.read(self._master, 4096):
                    self._hear(chr(byte))
            if self.running and time.monotonic() >= self._next_s:
                self._result()

    def _hear(self, character: str) -> None:
        now_s = time.monotonic()
        self._came = [at_s for at_s in self._came if now_s - at_s < PIECE_S]
        if self.paced and len(self._came) >= PIECE_BYTES:
            self.lost_bytes += 1
            return
        self._came.append(now_s)
        self.loses -= self.loses > 0
        if self.loses == 1:
            return
        if self.running and self.waits:
            if character == "b":
                self._stop()
        elif self.running and character == "b":
            self._stop()
        else:
            self._type(character)

    def _type(self, character: str) -> None:
        if character == "\r":
            typed, self._typed = self._typed, ""
            self._say("\r\n")
            if self._run(typed):
                self._say("> ")
        elif " " <= character <= "~":
            self._typed += character
            self._say(character)

    def _run(self, command: str) -> bool:
        """Whether a prompt follows."""
        if not command.startswith("AT+"):
            self._say(f"Not a valid AT command ({command})\n")
            return True
        self.commands.append(command)
        match command:
            case "AT+CONFIG?":
                self._say(self.config)
            case "AT+RUNIMPULSECONT":
                return self._start(continuously=True)
            case "AT+RUNIMPULSE":
                return self._start(continuously=False)
            case "AT+RESET" if self.resets:
                self._boot()
                return False
            case _:
                self._say(f"Command not found! ({command})\n")
        return True

    def _start(self, *, continuously: bool) -> bool:
        if not self.results:
            self._say("ERR: Could not allocate audio buffer (size 16000), this could be due to the window length\r\n")
            return True
        self._say(settings(len(self.results[0])))
        if continuously and not self.continuous:
            self._say("ERR: no continuous classification available for current model\r\n")
            return True
        if not continuously:
            self._say("Starting inferencing in 2 seconds...\n")
        self._running = "continuously" if continuously else "with pauses"
        self._next_s = time.monotonic() + self.every_s
        return False

    def _stop(self) -> None:
        self._running = "no"
        self._say("Inferencing stopped by user\r\n> ")

    def _boot(self) -> None:
        self._running, self._typed = "no", ""
        self._say("\nHello from Edge Impulse Device SDK.\r\nCompiled on Nov  6 2024 11:53:09\r\n")
        self._say("Type AT+HELP to see a list of commands.\r\n> ")

    def _result(self) -> None:
        scores = self.results[min(self.said, len(self.results) - 1)]
        if self._running == "with pauses":
            self._say("Recording\n")
        self._say(self.mangle(RESULTS[self.results_as](scores, anomaly=self.anomaly)))
        if self._running == "with pauses":
            self._say("Starting inferencing in 2 seconds...\n")
        self.said += 1
        self._next_s = time.monotonic() + self.every_s

    def _say(self, text: str) -> None:
        self._write(text.encode())

    def _write(self, data: bytes) -> None:
        """Write in pieces, as a UART's driver does."""
        while data and not self._ended.is_set():
            piece = data[: self._rng.choice((1, 3, 7, 16, 64, 4096))]
            try:
                data = data[os.write(self._master, piece) :]
            except BlockingIOError:
                select.select([], [self._master], [], 0.05)
