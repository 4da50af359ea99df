"""The boards: the file that is shipped, verdicts that flip at the byte, and files of boards that are wrong."""

from __future__ import annotations

import sys
import tomllib
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from edged.compiler.lower import OPERATORS
from edged.errors import ConfigError, Mistakes
from edged.workshop.arena import Arena
from edged.workshop.boards import CLONE, INSTALLED, Boards, boards_file, read_boards, verdicts
from edged.workshop.cost import Cost, cost_of
from edged.workshop.operators import BUILTINS

if TYPE_CHECKING:
    from edged.workshop.boards import Verdict

ROOT = Path(__file__).parents[1]
SHIPPED = ROOT / CLONE
SMALL = Cost(
    file_bytes=2000,
    constants_bytes=900,
    plan_bytes=1000,
    operators={"CONV_2D": 1},
    macs=1,
    uncounted=(),
    types=("int8",),
    arena=Arena(activations_bytes=600, live_bytes=600, state_bytes=40),
)
TEXT = """\
[firmware]
operators = ["CONV_2D", "SOFTMAX"]
types = ["int8"]

[boards.one]
name = "One"
chip = "of the old block"
flash_bytes = 5000
firmware_bytes = 3000
slots = 2
slot_bytes = 1000

[[boards.one.ram]]
name = "SRAM"
bytes = 1000
firmware_bytes = 360

[[boards.one.ram]]
name = "CCM"
bytes = 500
firmware_bytes = 0
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "boards.toml"
    path.write_text(TEXT)
    return path


@pytest.fixture
def known(file: Path) -> Boards:
    return read_boards(file)


def only(found: list[Verdict]) -> Verdict:
    (verdict,) = found
    return verdict


# What is shipped.


def test_the_boards_that_are_shipped_are_what_their_chips_have() -> None:
    known = read_boards(SHIPPED)
    boards = known.boards
    assert set(boards) == {"nano-33-ble-sense", "esp32-c3", "stm32f405"}
    assert {key: board.flash_bytes // 1024 for key, board in boards.items()} == {
        "nano-33-ble-sense": 1024,
        "esp32-c3": 4096,
        "stm32f405": 1024,
    }
    pieces = {key: [piece.bytes // 1024 for piece in board.ram] for key, board in boards.items()}
    assert pieces == {"nano-33-ble-sense": [256], "esp32-c3": [384], "stm32f405": [128, 64]}
    erased = {"nano-33-ble-sense": 4096, "esp32-c3": 65_536, "stm32f405": 131_072}
    for key, board in boards.items():
        assert board.slots == 2, "a model arrives in the slot that is not running"
        assert board.slot_bytes % erased[key] == 0
        assert board.firmware_bytes + board.slots * board.slot_bytes == board.flash_bytes


def test_the_firmware_knows_real_operators() -> None:
    known = read_boards(SHIPPED)
    assert set(known.firmware.operators) <= set(BUILTINS)
    assert list(known.firmware.operators) == sorted(set(known.firmware.operators))
    assert set(known.firmware.operators) == set(OPERATORS), "what is listed is what the compiler knows"


@pytest.mark.shared
@pytest.mark.parametrize(
    "name",
    [
        *("micro_speech_quantized", "mlperf_kws_ref_model", "mlperf_ic_pretrainedResnet_quant", "mlperf_ad01_int8"),
        *("mlperf_str_ww_ref_model", "mww_v2_hey_jarvis", "mww_v2_okay_nabu", "mww_v2_vad"),
    ],
)
def test_every_board_holds_the_models_that_are_made_for_such(shared: Path, name: str) -> None:
    cost = cost_of((shared / "models" / f"{name}.tflite").read_bytes())
    assert [verdict.reasons for verdict in verdicts(cost, read_boards(SHIPPED))] == [()] * 3


@pytest.mark.shared
def test_none_holds_yamnet_and_each_says_why(shared: Path) -> None:
    cost = cost_of((shared / "models" / "yamnet_spectra_in.tflite").read_bytes())
    found = {verdict.board: verdict for verdict in verdicts(cost, read_boards(SHIPPED))}
    assert not any(verdict.holds for verdict in found.values())
    assert found["nano-33-ble-sense"].reasons == (
        f"flash: it takes {cost.plan_bytes:,} bytes, a slot has 417,792",
        "the firmware has no DEQUANTIZE, MEAN, SPLIT",
        "the firmware does not work on float32",
    )
    # 147,456 bytes would go into the F405's 192 kB, but not into either of its two pieces.
    assert "RAM: its arena takes 147,456 bytes, SRAM has 81,920 in one piece" in found["stm32f405"].reasons


def test_they_are_found_in_a_clone_and_where_they_are_installed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert boards_file() == SHIPPED
    monkeypatch.setattr(sys, "prefix", str(tmp_path))
    assert boards_file(package=tmp_path / "lib" / "edged") is None
    installed = tmp_path / INSTALLED
    installed.parent.mkdir(parents=True)
    installed.touch()
    assert boards_file(package=tmp_path / "lib" / "edged") == installed
    data = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["setuptools"]["data-files"]
    assert data[str(INSTALLED.parent)] == [str(CLONE)]


# Verdicts.


def test_a_board_holds_what_fits_to_the_last_byte(known: Boards) -> None:
    verdict = only(verdicts(SMALL, known))
    assert (verdict.holds, verdict.reasons) == (True, ())
    assert (verdict.flash_bytes, verdict.flash_room_bytes) == (1000, 1000)
    assert (verdict.ram_bytes, verdict.ram_room_bytes) == (640, 640)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"plan_bytes": 1001}, "flash: it takes 1,001 bytes, a slot has 1,000"),
        ({"arena": Arena(601, 601, 40)}, "RAM: its arena takes 641 bytes, SRAM has 640 in one piece"),
        ({"arena": Arena(600, 600, 41)}, "RAM: its arena takes 641 bytes, SRAM has 640 in one piece"),
        ({"operators": {"CONV_2D": 1, "MEAN": 2, "operator 250": 1}}, "the firmware has no MEAN, operator 250"),
        ({"types": ("float32", "int8")}, "the firmware does not work on float32"),
    ],
)
def test_one_byte_operator_or_type_too_many_flips_the_verdict(
    known: Boards, change: dict[str, Any], reason: str
) -> None:
    verdict = only(verdicts(replace(SMALL, **change), known))
    assert (verdict.holds, verdict.reasons) == (False, (reason,))


def test_every_reason_is_given_and_others_beside(known: Boards) -> None:
    large = replace(SMALL, plan_bytes=2000, arena=Arena(2000, 2000, 0), types=("float32",))
    reasons = only(verdicts(large, known, besides=("it is a Tuesday",))).reasons
    assert [reason.partition(" ")[0] for reason in reasons] == ["flash:", "RAM:", "the", "it"]


def test_the_arena_goes_into_the_largest_free_piece(file: Path) -> None:
    file.write_text(TEXT.replace("bytes = 500\n", "bytes = 900\n"))
    verdict = only(verdicts(SMALL, read_boards(file)))
    assert verdict.ram_room_bytes == 900


# Files that are wrong.


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (("slots = 2", "slot = 2"), "boards.one.slot = 2: is not a known key (did you mean `slots`?). Rename it"),
        (("slots = 2\n", ""), "boards.one.slots: is missing. Add it."),
        (("bytes = 1000\nfirm", "bytes = -1\nfirm"), "boards.one.ram[0].bytes = -1: is too small. Write 0 or more."),
        (("flash_bytes = 5000", "flash_bytes = '1M'"), "boards.one.flash_bytes = '1M': should be a valid integer."),
        (("slots = 2", "slots = 0"), "boards.one.slots = 0: is too small. Write 1 or more."),
        (('operators = ["CONV_2D", "SOFTMAX"]', "operators = []"), "firmware.operators: is empty. Name at least one."),
        (("[boards.one]", "[board.one]"), "board: is not a known key (did you mean `boards`?)"),
        (
            ("slot_bytes = 1000", "slot_bytes = 1001"),
            (
                "boards.one.slot_bytes = 1001: with firmware_bytes, 2 slots take 5002 bytes, more than flash_bytes. "
                "Write 1000 or less."
            ),
        ),
        (
            ("firmware_bytes = 360", "firmware_bytes = 1001"),
            "boards.one.ram[0].firmware_bytes = 1001: is more than the 1000 bytes there are. Write 1000 or less.",
        ),
        (("[firmware]", "[firmware"), "is not TOML: "),
    ],
)
def test_what_is_wrong_is_said_with_file_key_value_and_way_out(file: Path, change: tuple[str, str], words: str) -> None:
    assert change[0] in TEXT
    file.write_text(TEXT.replace(*change))
    with pytest.raises(ConfigError) as caught:
        read_boards(file)
    assert f"{file}: {words}" in str(caught.value)


def test_all_mistakes_are_told(file: Path) -> None:
    file.write_text(TEXT.replace("slots = 2", "slot = 2").replace("types", "type"))
    with pytest.raises(Mistakes) as caught:
        read_boards(file)
    assert len(caught.value.mistakes) == 4


def test_a_file_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"nowhere\.toml: cannot be read: no such file.* with --boards"):
        read_boards(tmp_path / "nowhere.toml")
    with pytest.raises(ConfigError, match="cannot be read: is a directory"):
        read_boards(tmp_path)
