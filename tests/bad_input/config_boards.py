"""The boards' tables of the config file: what can be no board, and a board that is not there, which is no mistake."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bad_input.case import Waits
from bad_input.config import case, toml
from bad_input.scene import MQTT, TOP

if TYPE_CHECKING:
    from bad_input.case import Make
    from bad_input.scene import Scene

CELLAR = '[boards.cellar]\nport = "usb:1A2B3C"\n'


def board(more: str = "", *, table: str = CELLAR) -> Make:
    """Make a config with a board, and no source."""
    return toml(TOP + MQTT + table + more)


def on_a_file(scene: Scene) -> None:
    scene.config(TOP + MQTT + f'[boards.cellar]\nport = "{scene.folder}/sample.wav"\n')


CASES = (
    case(
        "board-typo",
        "a typo in a board",
        board("bautd = 115200\n"),
        key="boards.cellar.bautd",
        value="115200",
        what="did you mean `baud`?",
        way_out="Rename it",
    ),
    case(
        "board-no-port",
        "a board without a port",
        board(table='[boards.cellar]\ndriver = "smp"\n'),
        key="boards.cellar.port",
        what="is missing",
        way_out="Add it",
    ),
    case(
        "board-port-name",
        "a board's port by its name alone",
        board(table='[boards.cellar]\nport = "ttyACM0"\n'),
        key="boards.cellar.port",
        value="'ttyACM0'",
        what="names no port",
        way_out="as `edged board list` prints them",
    ),
    case(
        "board-port-file",
        "a board's port is a file",
        on_a_file,
        key="boards.cellar.port",
        value="sample.wav",
        what="is no serial port",
        way_out="Name one that `edged board list` prints",
    ),
    case(
        "board-port-twice",
        "two boards on one port",
        board('[boards.attic]\nport = "usb:1A2B3C"\n'),
        key="boards.attic.port",
        value="'usb:1A2B3C'",
        what="is that of boards.cellar too",
        way_out="Give each board its own",
    ),
    case(
        "board-uid-twice",
        "one board under two names",
        board('uid = "ab12"\n[boards.attic]\nport = "/dev/ttyACM7"\nuid = "AB12"\n'),
        key="boards.attic.uid",
        value="'ab12'",
        what="is that of boards.cellar too",
        way_out="Give each board its own",
    ),
    case(
        "board-driver",
        "a board that speaks what nobody knows",
        board('driver = "arduino"\n'),
        key="boards.cellar.driver",
        value="'arduino'",
        what="'smp', 'edge-impulse' or 'lines'",
        way_out="Write such a value",
    ),
    case(
        "board-baud",
        "a board at no baud",
        board("baud = 0\n"),
        key="boards.cellar.baud",
        value="0",
        what="is too small",
        way_out="Write 300 or more",
    ),
    case(
        "board-name",
        "a board's name that is no topic level",
        board(table='[boards."cellar/left"]\nport = "usb:1A2B3C"\n'),
        key='boards."cellar/left"',
        value="'cellar/left'",
        way_out="Use letters, digits, _ and - only",
    ),
    case(
        "board-uid",
        "a chip's number that is none",
        board('uid = "the red one"\n'),
        key="boards.cellar.uid",
        value="'the red one'",
        what="is no chip's number",
        way_out="Write it in hexadecimal",
    ),
    case(
        "board-uid-untold",
        "a chip's number for a sketch, which tells none",
        board('driver = "lines"\nuid = "ab12"\n'),
        key="boards.cellar.uid",
        value="'ab12'",
        what="is told by no board that speaks lines",
        way_out="Leave it out",
    ),
    case(
        "board-threshold",
        "a threshold for a board that decides by itself",
        board("threshold = 0.8\n"),
        key="boards.cellar.threshold",
        value="0.8",
        what="is for boards that send scores",
        way_out="Leave it out",
    ),
    case(
        "board-threshold-percent",
        "a board's threshold in per cent",
        board('driver = "lines"\nthreshold = 80\n'),
        key="boards.cellar.threshold",
        value="80",
        what="is too large",
        way_out="Write 1 or less",
    ),
    case(
        "board-heartbeat",
        "a heartbeat that is slower than the board's patience",
        board("heartbeat_s = 60\n"),
        key="boards.cellar.heartbeat_s",
        value="60",
        what="is too large",
        way_out="Write 5 or less",
    ),
    case(
        "board-model",
        "a model of the gateway's where only boards hear",
        board('[models.nabu]\npath = "okay_nabu.json"\n'),
        key="sources",
        what="is missing, and models hear sources",
        way_out="Add one, or take the models out",
    ),
)

WAITS: tuple[Waits, ...] = (
    Waits(
        name="no-board",
        wrong="a board is not plugged in",
        make=board(),
        says="cellar: absent: no port has the USB serial number 1A2B3C",
        status="boards away: cellar absent since",
    ),
)
