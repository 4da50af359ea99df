"""Boards in the config, as `edged check` tells of them: where each is now, and what can be no port at all."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from edged.classify.bundle import default_model
from edged.cli import main
from edged.errors import ConfigError
from edged.plan import chosen, plan

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

TOP = 'gateway = "pi"\nstate_dir = "state"\nruntime_dir = "run"\n'


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "edged.toml"


@pytest.fixture
def pty() -> Iterator[str]:
    """Give the name of a terminal that is there."""
    ours, theirs = os.openpty()
    yield os.ttyname(theirs)
    os.close(ours)
    os.close(theirs)


def test_check_tells_where_each_board_is_now(
    file: Path, pty: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    link, none = tmp_path / "cellar", tmp_path / "none"
    link.symlink_to(pty)
    file.write_text(
        TOP + f'find_boards = true\n[boards.cellar]\nport = "{link}"\nuid = "AB12"\n'
        '[boards.attic]\nport = "usb:1A"\ndriver = "lines"\n'
        f'[boards.shed]\nport = "{none}"\ndriver = "edge-impulse"\nbaud = 9600\n'
    )
    assert main(["check", "--config", str(file)]) == 0
    said = [line for line in capsys.readouterr().out.splitlines() if line.startswith("board")]
    away = "not there now, and waited for"
    assert said == [
        f"board    cellar: smp at 1000000 baud on {link}, chip ab12; now {pty}",
        f"board    attic: lines at 115200 baud on usb:1A; {away}: no port has the USB serial number 1A",
        f"board    shed: edge-impulse at 9600 baud on {none}; {away}: there is no {none}",
        "boards   on other USB ports: those with edged's firmware",
    ]


def test_check_tells_machines_too(file: Path, pty: str, capsys: pytest.CaptureFixture[str]) -> None:
    file.write_text(TOP + f'[boards.cellar]\nport = "{pty}"\n[boards.attic]\nport = "usb:1A"\n')
    assert main(["check", "--json", "--config", str(file)]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["find_boards"], told["sources"], told["models"]) == (False, {}, {})
    assert {name: (board["driver"], board["now"]) for name, board in told["boards"].items()} == {
        "cellar": ("smp", pty),
        "attic": ("smp", None),
    }
    assert "1A" in told["boards"]["attic"]["why"]


def test_what_is_there_and_no_device_is_no_port(file: Path, tmp_path: Path) -> None:
    for what in (file, tmp_path):
        file.write_text(TOP + f'[boards.cellar]\nport = "{what}"\n')
        with pytest.raises(ConfigError, match=r"is no serial port.*edged board list") as refused:
            plan(file)
        assert (refused.value.key, refused.value.value) == ("boards.cellar.port", str(what))


@pytest.mark.parametrize("port", ["/dev/no/such/place", "/dev/ttyACM999", "/etc/passwd/below", "/" + "x" * 300])
def test_what_is_not_there_may_come(file: Path, port: str) -> None:
    file.write_text(TOP + f'[boards.cellar]\nport = "{port}"\n')
    assert plan(file).config.boards["cellar"].port == port


def test_a_gateway_of_boards_alone_loads_no_model_and_still_has_one_to_classify_with(file: Path) -> None:
    file.write_text(TOP + "find_boards = true\n")
    found = plan(file)
    assert (found.models, found.bundles, found.lanes) == ({}, {}, [])
    assert [bundle.path for bundle in chosen(config=file)[0]] == [default_model().path]


def test_a_config_without_boards_costs_no_look_at_ports(file: Path) -> None:
    file.write_text(TOP + '[sources.mic]\nkind = "microphone"\n')
    code = (
        f"import sys; from edged.cli import main; main(['check', '--config', {str(file)!r}])\n"
        "sys.exit(any(name in sys.modules for name in ('edged.mcu.ports', 'serial')))"
    )
    done = subprocess.run([sys.executable, "-c", code], check=False, timeout=60, capture_output=True)
    assert done.returncode == 0, done
