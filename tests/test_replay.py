"""Replay: files down the daemon's own lanes, at full speed, the same events every time."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING

from nabu import NABU_PATH, nabu

from edged.replay import replay

if TYPE_CHECKING:
    from pathlib import Path


def test_finds_the_words_of_every_file(okay_nabu: Path) -> None:
    events = list(replay([okay_nabu, okay_nabu], [nabu()]))
    assert [event.label for event in events] == ["okay_nabu"] * 4
    assert [event.at_s for event in events[:2]] == [event.at_s for event in events[2:]]
    assert {event.file for event in events} == {str(okay_nabu)}


def test_several_models_hear_one_file_in_order(okay_nabu: Path) -> None:
    twice = list(replay([okay_nabu], [nabu(), nabu()]))
    assert [event.at_s for event in twice] == sorted(event.at_s for event in twice)
    assert len(twice) == 4


def test_says_how_far_it_is(okay_nabu: Path) -> None:
    seen: list[float] = []
    list(replay([okay_nabu], [nabu()], advanced=lambda _file, seconds: seen.append(seconds)))
    assert seen == sorted(seen)
    assert seen[-1] > 5


def test_the_command_prints_one_json_line_an_event(okay_nabu: Path) -> None:
    command = [sys.executable, "-m", "edged", "replay", "--json", str(okay_nabu), "--model", str(NABU_PATH)]
    run = subprocess.run(command, capture_output=True, text=True, check=True)
    events = [json.loads(line) for line in run.stdout.splitlines()]
    assert [list(event) for event in events] == [["at_s", "label", "kind", "score", "model", "file"]] * 2
    assert run.stderr == ""
    again = subprocess.run(command, capture_output=True, text=True, check=True)
    assert again.stdout == run.stdout


def test_the_command_reads_well_without_json(okay_nabu: Path) -> None:
    command = [sys.executable, "-m", "edged", "replay", str(okay_nabu), "--model", str(NABU_PATH)]
    run = subprocess.run(command, capture_output=True, text=True, check=True)
    assert run.stdout.count("detection  okay_nabu") == 2
