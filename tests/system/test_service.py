"""The daemon as a service: what it tells systemd, how it takes a reload, how it stops, and that nobody outlives it."""

from __future__ import annotations

import contextlib
import itertools
import json
import shutil
import signal
import socket
import subprocess
import threading
import time
from typing import TYPE_CHECKING

import psutil
import pytest
from broker import eventually
from eim_peer import write_eim
from rig import report
from system.daemon import MICROPHONE, Daemon, Told, events, file_source, model, settings, states
from system.sound import wake_word

from edged.watch import DEADLINE_S

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from broker import Broker, Subscriber
    from rig import Rig

pytest_plugins = ("rig_fixtures",)

READY_S = 10.0
STOP_S = 10.0
GONE_S = 2.0
LASTS = """
[models.word.policy]
kind = "sound"
n = 1
of_m = 62
"""
"""The word counts as a sound that goes on for two seconds after it was said."""


def fed(daemon: Daemon, *, since: float = 0.0) -> list[float]:
    """When the watchdog was fed."""
    return [told.at for told in tuple(daemon.told) if "WATCHDOG" in told.fields and told.at >= since]


def said(subscriber: Subscriber, topic: str) -> list[str]:
    """What came on a topic; of JSON, the state."""
    payloads = [payload.decode() for payload in subscriber.payloads(f"edged/test/{topic}")]
    return [json.loads(payload)["state"] if payload.startswith("{") else payload for payload in payloads]


def gone(process: psutil.Process) -> bool:
    """Whether a process has ended; nobody may be there to reap it."""
    with contextlib.suppress(psutil.NoSuchProcess):
        return process.status() == psutil.STATUS_ZOMBIE
    return True


def speak(rig: Rig, folder: Path) -> None:
    """Say "okay nabu" into the microphone."""
    subprocess.run(["espeak-ng", "-v", "en-us", "-w", str(folder / "said.wav"), "okay nabu"], check=True)
    rig.play(folder / "said.wav")


# READY and STATUS.


def test_it_is_ready_when_it_hears(rig: Rig, broker: Broker, subscriber: Subscriber, tmp_path: Path) -> None:
    assert rig.plugged
    with Daemon(tmp_path / "edged", settings(broker.port, MICROPHONE)) as daemon:
        ready = daemon.wait_told("READY")
        report(f"READY after {ready.at - daemon.started_at:.2f} s")
        assert ready.fields["STATUS"] == "hearing mic"
        subscriber.wait_for(lambda messages: [state for _, state in states(messages)][-1:] == ["hearing"])
        assert said(subscriber, "status") == ["online"]


@pytest.mark.parametrize("how", ["unplugged", "no server", "stalled server"])
def test_it_is_ready_and_deaf_without_a_microphone(
    rig: Rig, broker: Broker, subscriber: Subscriber, tmp_path: Path, *, how: str
) -> None:
    match how:
        case "unplugged":
            rig.unplug()
        case "no server":
            rig.kill_server()
        case _:
            rig.stall()
    with Daemon(tmp_path / "edged", settings(broker.port, MICROPHONE)) as daemon:
        ready = daemon.wait_told("READY")
        assert ready.at - daemon.started_at < READY_S
        assert ready.fields["STATUS"].startswith("deaf: mic absent since ")
        subscriber.wait_for(lambda messages: [state for _, state in states(messages)][-1:] == ["absent"])
        report(f"{how}: READY after {ready.at - daemon.started_at:.2f} s, {ready.fields['STATUS']}")


# WATCHDOG.


@pytest.mark.slow
def test_the_watchdog_is_fed_while_it_hears_and_while_it_tries_to(rig: Rig, broker: Broker, tmp_path: Path) -> None:
    config = settings(broker.port, MICROPHONE)
    with Daemon(tmp_path / "edged", config, watchdog_s=8) as daemon:
        longest_s = {}
        for how, change in {"hearing": rig.resume, "unplugged": rig.unplug, "stalled": rig.stall}.items():
            change()
            began = time.monotonic()
            # Longer than any walker's deadline: one that is not noted moving would be taken for stuck by then.
            eventually(lambda began=began: time.monotonic() - began > DEADLINE_S + 5, within_s=60)  # type: ignore[misc]
            times = [began, *fed(daemon, since=began), time.monotonic()]
            longest_s[how] = max(after - before for before, after in itertools.pairwise(times))
        report(f"longest hunger of a watchdog of 8 s: {longest_s}")
        assert max(longest_s.values()) < 8


@pytest.mark.slow
def test_a_lane_that_is_stuck_starves_the_watchdog(rig: Rig, broker: Broker, tmp_path: Path) -> None:
    assert rig.plugged
    path = write_eim(tmp_path / "stuck.eim", "hang", at=4)
    with Daemon(
        tmp_path / "edged",
        settings(broker.port, MICROPHONE, model(path, name="stuck", more="timeout_s = 60"), model(wake_word("alexa"))),
        watchdog_s=1,
    ) as daemon:
        daemon.wait_told("WATCHDOG")
        eventually(
            lambda: time.monotonic() - max(fed(daemon)) > 5,
            "the watchdog starves, though another lane goes on",
            within_s=DEADLINE_S + 20,
        )
        starved_s = max(fed(daemon)) - daemon.started_at
        report(f"last fed {starved_s:.1f} s after the start")
        assert starved_s > DEADLINE_S
        began = time.monotonic()
        assert daemon.stop() == 0
        report(f"stopped within {time.monotonic() - began:.1f} s")
        assert time.monotonic() - began < STOP_S


# SIGHUP.


def reloaded(daemon: Daemon, config: str) -> Told:
    """Reload, and give what systemd was told at its end."""
    began = time.monotonic()
    daemon.reload(config)
    reloading = daemon.wait_told("RELOADING", since=began)
    assert began <= int(reloading.fields["MONOTONIC_USEC"]) / 1e6 <= time.monotonic()
    return daemon.wait_told("READY", since=reloading.at)


def test_a_good_config_is_taken_over_and_a_bad_one_is_not(
    rig: Rig, broker: Broker, subscriber: Subscriber, tmp_path: Path
) -> None:
    assert rig.plugged
    good = settings(broker.port, MICROPHONE)
    with Daemon(tmp_path / "edged", good) as daemon:
        pid, capture = daemon.pid, daemon.processes[1].pid

        told = reloaded(daemon, good.replace('kind = "microphone"', 'kind = "microphone"\nchunk = 3'))
        assert told.fields["STATUS"].startswith("hearing mic; the new config was refused: ")
        assert "sources.mic.chunk" in told.fields["STATUS"]
        eventually(lambda: "the old config goes on running" in daemon.log)
        assert "sources.mic.chunk" in daemon.log
        assert "chunk_ms" in daemon.log, "the nearest known key is not named"

        told = reloaded(daemon, good.replace('state_dir = "state"', 'state_dir = "elsewhere"'))
        assert "state_dir" in told.fields["STATUS"]
        assert not (daemon.folder / "elsewhere").exists()

        assert reloaded(daemon, good).fields["STATUS"] == "hearing mic"
        assert daemon.processes[1].pid == capture, "a source whose config has not changed was disturbed"

        reloaded(daemon, good.replace("[sources.mic]", "[sources.desk]"))
        daemon.wait_told("STATUS", lambda status: status == "hearing desk")
        subscriber.wait_for(lambda _: said(subscriber, "sound/desk/state")[-1:] == ["hearing"])
        assert said(subscriber, "sound/mic/state")[-1] == "", "the old source is still there for a late subscriber"
        assert daemon.pid == pid
        assert said(subscriber, "status") == ["online"], "the connection was not kept"


# SIGTERM, and the end.


def test_it_ends_what_it_began(rig: Rig, broker: Broker, subscriber: Subscriber, tmp_path: Path) -> None:
    config = settings(broker.port, MICROPHONE, model(wake_word("okay_nabu"), more=LASTS))
    with Daemon(tmp_path / "edged", config) as daemon:
        speak(rig, tmp_path)
        subscriber.wait_for(lambda _: said(subscriber, "sound/mic/word/okay_nabu")[-1:] == ["ON"])
        children = daemon.processes[1:]
        assert children
        began = time.monotonic()
        daemon.signal(signal.SIGTERM)
        daemon.wait_told("STOPPING")
        while daemon.running:  # whatever comes after the first one, and when, changes nothing
            for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
                daemon.signal(number)
            time.sleep(0.001)
        assert daemon.wait() == 0
        report(f"stopped within {time.monotonic() - began:.2f} s")
        assert time.monotonic() - began < 3
        assert all(gone(child) for child in children)
        assert not (daemon.folder / "run" / "control.sock").exists()
        subscriber.wait_for(lambda _: said(subscriber, "status")[-1:] == ["offline"])
    assert [event["kind"] for event in events(subscriber.messages)] == ["start", "end"]
    assert len({event["episode"] for event in events(subscriber.messages)}) == 1
    assert said(subscriber, "sound/mic/word/okay_nabu")[-2:] == ["ON", "OFF"]
    last = json.loads(subscriber.payloads("edged/test/status")[-1])
    assert (last["state"], last["reason"]) == ("offline", "stopped")
    with broker.subscriber() as late:
        late.wait_for(lambda _: said(late, "status") == ["offline"])
        late.wait_for(lambda _: said(late, "sound/mic/word/okay_nabu") == ["OFF"])


@pytest.mark.parametrize("trouble", ["broker away", "sound server stalled", "model hung"])
def test_it_stops_in_bounded_time_whatever_is_amiss(rig: Rig, broker: Broker, tmp_path: Path, *, trouble: str) -> None:
    tables = [MICROPHONE]
    if trouble == "model hung":
        tables.append(model(write_eim(tmp_path / "hung.eim", "hang", at=1), more="timeout_s = 60"))
    with Daemon(tmp_path / "edged", settings(broker.port, *tables)) as daemon:
        if trouble == "broker away":
            broker.kill()
        elif trouble == "sound server stalled":
            rig.stall()
        else:
            eventually(lambda: len(daemon.processes) == 4, "capture, worker and model run")
            time.sleep(1.0)  # a window of a quarter of a second has come by then, and the model hangs on it
        children = daemon.processes[1:]
        began = time.monotonic()
        assert daemon.stop() == 0
        report(f"{trouble}: stopped within {time.monotonic() - began:.2f} s")
        assert time.monotonic() - began < STOP_S
        assert all(gone(child) for child in children)


def test_it_stops_in_the_middle_of_a_reload(broker: Broker, okay_nabu: Path, tmp_path: Path) -> None:
    first = settings(broker.port, file_source(okay_nabu, loop=True))
    for delay_s in (0.0, 0.04, 0.08, 0.12):
        with Daemon(tmp_path / f"after {delay_s}", first) as daemon:
            daemon.reload(first + model(wake_word("alexa")))
            time.sleep(delay_s)  # the moment is what is tested: reading models, replacing stations, done
            assert daemon.stop() == 0


@pytest.mark.parametrize("stalled", [False, True], ids=["hearing", "server stalled"])
def test_nobody_outlives_a_daemon_that_is_killed(rig: Rig, broker: Broker, tmp_path: Path, *, stalled: bool) -> None:
    tables = (MICROPHONE, model(write_eim(tmp_path / "loud.eim")))
    with Daemon(tmp_path / "edged", settings(broker.port, *tables)) as daemon:
        eventually(lambda: len(daemon.processes) == 4, "capture, worker and model run")
        if stalled:
            rig.stall()
        children = daemon.processes[1:]
        daemon.kill()
        eventually(lambda: all(map(gone, children)), f"they are gone: {children}", within_s=GONE_S)
        if stalled:
            rig.resume()
        daemon.start()  # and nothing that is left over keeps the next one from starting
        assert daemon.stop() == 0


# The journal.


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[list[dict[str, str]]]:
    """Where the daemon finds the journal's socket when started through `at_the_journal`; its entries."""
    if (
        not shutil.which("unshare")
        or subprocess.run(["unshare", "-m", "true"], capture_output=True, check=False).returncode
    ):
        pytest.skip("needs the right to make a mount namespace")
    (tmp_path / "journal").mkdir()
    entries: list[dict[str, str]] = []
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    listening.bind(str(tmp_path / "journal" / "socket"))

    def hear() -> None:
        while data := listening.recv(65536):
            entries.append(dict(line.split("=", 1) for line in data.decode().splitlines()))

    thread = threading.Thread(target=hear)
    thread.start()
    yield entries
    listening.shutdown(socket.SHUT_RDWR)
    thread.join(5)
    listening.close()


def at_the_journal(folder: Path) -> list[str]:
    """Start a command where the test is the journal."""
    mount = 'mount -t tmpfs none /run && mkdir -p /run/systemd/journal && mount --bind "$0" /run/systemd/journal'
    return ["unshare", "-m", "sh", "-c", f'{mount} && exec "$@"', str(folder / "journal")]


def test_the_journal_is_told_which_source_and_model(
    rig: Rig, broker: Broker, journal: list[dict[str, str]], tmp_path: Path
) -> None:
    (tmp_path / "edged").mkdir()
    (tmp_path / "edged" / "log").touch()
    stderr = (tmp_path / "edged" / "log").stat()
    env = {"JOURNAL_STREAM": f"{stderr.st_dev}:{stderr.st_ino}"}
    config = settings(broker.port, MICROPHONE, model(wake_word("alexa")))
    with Daemon(tmp_path / "edged", config, env=env, through=at_the_journal(tmp_path)) as daemon:
        rig.unplug()
        eventually(
            lambda: any(entry.get("PRIORITY") == "4" for entry in journal), f"a warning: {journal}, {daemon.log}"
        )
        assert daemon.log == "", "what the journal has was said to stderr, too"
    source = next(entry for entry in journal if entry.get("PRIORITY") == "4")
    assert (source["EDGED_SOURCE"], source["SYSLOG_IDENTIFIER"]) == ("mic", "edged")
    assert source["MESSAGE"].startswith("mic: name:mic: ")
    running = next(entry for entry in journal if entry["MESSAGE"] == "word: running on mic")
    assert (running["EDGED_SOURCE"], running["EDGED_MODEL"], running["PRIORITY"]) == ("mic", "word", "6")
