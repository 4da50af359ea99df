"""The bench counts instructions on an emulated Cortex-M4, and the promises about them are kept."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from firmware import FIRMWARE

sys.path.append(str(FIRMWARE / "tools"))

from icount_cycles import Block, hot, instructions_of, read_code, read_runs

pytestmark = pytest.mark.slow

WAKE_EN = Path(__file__).parents[2] / "models" / "wake-en" / "wake-en.edged"


def icount(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, FIRMWARE / "tools" / "icount.py", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)


@pytest.fixture(scope="module")
def counted(shared: Path) -> dict[str, Any]:
    done = icount("--json", shared / "models" / "mww_v2_vad.json", WAKE_EN)
    assert done.returncode == 0, done.stderr
    told: dict[str, Any] = json.loads(done.stdout)
    return told


@pytest.mark.shared
def test_a_model_keeps_what_is_promised(counted: dict[str, Any]) -> None:
    vad = counted["models"][0]
    assert vad["model"] == "mww_v2_vad"
    assert vad["macs"] == 13_760
    assert 2 * vad["mean"] <= vad["peer"]["reference"]
    assert vad["arena"] < vad["peer"]["arena"]
    assert vad["flash"] < vad["peer"]["flash"]
    assert vad["missed"] == []


@pytest.mark.shared
def test_every_model_is_right_and_steady(counted: dict[str, Any]) -> None:
    for model in counted["models"]:
        assert model["golden"], "the emulated board answers other than LiteRT"
        assert model["mean"] == pytest.approx(model["first"], rel=0.01)
        assert model["mean"] < model["cycles"] < 3 * model["mean"]
        assert 0 < model["stack"] < 1024
        assert model["load"][0] < 20_000_000, "instructions for a second of sound"


@pytest.mark.shared
def test_the_front_end_takes_half_of_what_its_model_takes(counted: dict[str, Any]) -> None:
    front_end = counted["front_end"]
    assert front_end["instructions"] < 83_000 / 2
    assert front_end["ram"] < 4096
    assert front_end["stack"] < 512


@pytest.mark.shared
def test_systick_counts_the_same(counted: dict[str, Any]) -> None:
    """Two counters that know nothing of one another: the plugin's, and the emulated chip's by its clock."""
    for model in counted["models"]:
        assert model["ticks"] == pytest.approx(model["first"], abs=80)
    assert counted["front_end"]["ticks"] == pytest.approx(counted["front_end"]["first"], abs=80)


def test_a_table_for_people_and_where_it_goes() -> None:
    done = icount(WAKE_EN, "--hot", "3")
    assert done.returncode == 0, done.stderr
    assert "wake-en" in done.stdout
    assert "for a second of sound" in done.stdout
    assert "frontend_transform" in done.stdout
    assert "nn_run_conv" in done.stdout


def test_a_model_that_is_none_is_refused(tmp_path: Path) -> None:
    (tmp_path / "no.tflite").write_bytes(b"no model" * 20)
    done = icount(tmp_path / "no.tflite")
    assert done.returncode == 2
    assert "no.tflite" in done.stderr


def test_code_that_does_not_compile_says_so() -> None:
    done = icount(WAKE_EN, "--flags=-include no_such_file.h")
    assert done.returncode == 2
    assert "no_such_file.h" in done.stderr


LISTING = """
00000100 <one>:
     100:\tpush\t{r4, r5, lr}
     102:\tldr\tr0, [r1, #0]
     104:\tldr\tr2, [r1, #4]
     106:\tudiv\tr0, r0, r2
     10a:\tsmlabb\tr0, r0, r2, r3
     10e:\tstrd\tr0, r2, [r1]

00000112 <two>:
     112:\tpop\t{r4, r5, pc}
"""


def test_cycles_are_those_of_the_table() -> None:
    code = read_code(LISTING, "00000100 T one\n00000112 t two\n20000000 B ram\n")
    push, first, after, division, product, double = 4, 2, 1, 7, 1, 3
    block = Block(0x100, 6, 10, 3)
    assert code.cycles_of(block) == 10 * (push + first + after + division + product + double) + 3 * 2
    assert code.cycles_of(Block(0x112, 1, 1, 1)) == 4 + 2
    assert [code.function_at(at) for at in (0x100, 0x10E, 0x112)] == ["one", "one", "two"]


def test_blocks_add_up() -> None:
    code = read_code(LISTING, "00000100 T one\n00000112 T two\n")
    runs = read_runs("run\n100 6 10 3\n112 1 2 2\nrun\n112 1 5 5\n")
    assert [instructions_of(run) for run in runs] == [62, 5]
    assert hot(runs, code) == {"one": 60, "two": 7}
