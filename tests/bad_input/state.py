"""The state directory: closed, in use, damaged, or on a full disk."""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING, Any

from bad_input.case import Make, Refused, Waits
from bad_input.scene import GOOD, NABU, SOURCE, TOP, Scene

if TYPE_CHECKING:
    from pathlib import Path

RUN = "edged run --config edged.toml"


def refused(name: str, wrong: str, make: Make, **answer: Any) -> Refused:
    return Refused(
        name=name,
        wrong=wrong,
        make=make,
        typed=answer.pop("typed", RUN),
        file=answer.pop("file", "edged.toml"),
        **answer,
    )


def closed(scene: Scene) -> None:
    scene.config()
    for name in ("state", "run"):
        (scene.folder / name).mkdir(mode=0o555)
    scene.become_nobody()


def under_a_file(scene: Scene) -> None:
    scene.config(GOOD.replace('"state"', '"sample.wav/state"'))


def second(scene: Scene) -> None:
    scene.config()
    scene.daemon()
    scene.write("second.toml", GOOD.replace('"run"', '"run2"'))


def second_socket(scene: Scene) -> None:
    scene.config()
    scene.daemon()
    scene.write("second.toml", GOOD.replace('"state"', '"state2"'))


def outbox(scene: Scene) -> Path:
    scene.config()
    (scene.folder / "state").mkdir()
    return scene.folder / "state" / "outbox.sqlite"


def newer(scene: Scene) -> None:
    with sqlite3.connect(outbox(scene)) as db:
        db.execute("PRAGMA application_id = 0x45444744")
        db.execute("PRAGMA user_version = 99")
        db.execute("CREATE TABLE outbox (id TEXT)")
    db.close()


def foreign(scene: Scene) -> None:
    with sqlite3.connect(outbox(scene)) as db:
        db.execute("CREATE TABLE songs (name TEXT)")
    db.close()


def corrupt(scene: Scene) -> None:
    path = outbox(scene)
    port = scene.mosquitto().port
    scene.config(GOOD.replace("port = 1\n", f"port = {port}\n"))
    path.write_bytes(b"SQLite format 3\0" + b"?" * 8000)


def long_socket(scene: Scene) -> None:
    scene.config(GOOD.replace('"run"', f'"{"r" * 120}"'))


def not_a_socket(scene: Scene) -> None:
    scene.config()
    scene.write("run/control.sock", "")


STATE = ("state/*",)
REFUSED: tuple[Refused, ...] = (
    refused(
        "state-closed",
        "edged may not write there",
        closed,
        key="state_dir",
        value="'state'",
        what="permission denied",
        way_out="Name a folder that this user may write to",
    ),
    refused(
        "state-under-file",
        "it would be inside a file",
        under_a_file,
        key="state_dir",
        value="'sample.wav/state'",
        what="not a directory",
        way_out="Name a folder that this user may write to",
    ),
    refused(
        "second-daemon",
        "another daemon has it",
        second,
        typed="edged run --config second.toml",
        file="second.toml",
        key="state_dir",
        value="'state'",
        what="is held by another edged, process PID",
        way_out="give this one a state_dir of its own",
    ),
    refused(
        "second-socket",
        "another daemon has the control socket",
        second_socket,
        typed="edged run --config second.toml",
        file="run/control.sock",
        what="another edged listens there",
        way_out="set another runtime_dir",
        leaves=("state2/*",),
    ),
    refused(
        "outbox-newer",
        "the outbox was written by a newer edged",
        newer,
        file="state/outbox.sqlite",
        what="in format 99",
        way_out="Install the newer edged again",
        leaves=STATE,
    ),
    refused(
        "outbox-foreign",
        "the outbox is another program's file",
        foreign,
        file="state/outbox.sqlite",
        what="belongs to another program",
        way_out="Name another state directory",
        leaves=STATE,
    ),
    refused(
        "socket-long",
        "the control socket's path is too long for Linux",
        long_socket,
        file="control.sock",
        what="too long",
        way_out="Set runtime_dir",
        leaves=STATE,
    ),
    refused(
        "socket-taken",
        "a file is in the control socket's place",
        not_a_socket,
        file="run/control.sock",
        what="is none",
        way_out="Take it away",
        leaves=STATE,
    ),
)


def talking(scene: Scene) -> None:
    """Make a config with events all the time."""
    scene.words()
    scene.wake_word()
    mqtt = f'[mqtt]\nhost = "127.0.0.1"\nport = {scene.mosquitto().port}\n'
    health = "[health]\ninterval_s = 1\n"
    scene.write("edged.toml", TOP + health + mqtt + SOURCE + f"loop = true\n{NABU}")


def full_disk(scene: Scene) -> None:
    talking(scene)
    scene.fill(scene.disk())


def room(scene: Scene) -> None:
    scene.until(lambda: " 0 waiting" not in scene.status(), lambda: f"events wait in memory: {scene.status()}")
    (scene.folder / "state" / "filler").unlink()


WAITS: tuple[Waits, ...] = (
    Waits(
        name="outbox-corrupt",
        wrong="the outbox is damaged: it is kept aside, and a new one begun",
        make=corrupt,
        says="outbox.sqlite is damaged",
        status="a damaged one is kept as state/outbox.sqlite.corrupt-1",
        published=("health", "outbox.sqlite.corrupt-1"),
    ),
    Waits(
        name="disk-full",
        wrong="the disk is full: events wait in memory",
        make=full_disk,
        says="events wait in memory until it can be written",
        status="outbox   state/outbox.sqlite: database or disk is full",
        published=("health", "database or disk is full"),
        mend=room,
        then="outbox: ok",
    ),
)
