"""`edged compile`: what is typed, and what comes of it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from nabu import NABU_PATH

from edged import cli
from edged.classify.bundle import write_bundle
from edged.compiler.blob import read_plan
from edged.features.spec import LogMel
from edged.shipped import shipped

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

WAKE_EN = shipped("wake-en/wake-en.edged")


def typed(*words: str | Path, capsys: pytest.CaptureFixture[str]) -> tuple[int, str, str]:
    code = cli.main(["compile", *map(str, words)])
    told = capsys.readouterr()
    return code, told.out, told.err


def as_json(*words: str | Path, capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    code, out, err = typed(*words, "--json", capsys=capsys)
    assert (code, err) == (0, "")
    return dict(json.loads(out))


@pytest.mark.parametrize("model", [NABU_PATH, NABU_PATH.with_suffix(".tflite"), WAKE_EN])
def test_a_model_becomes_a_file_and_the_same_bytes_again(
    model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    one, other = tmp_path / "one.plan", tmp_path / "other.plan"
    for out in (one, other):
        code, said, err = typed(model, "--out", out, capsys=capsys)
        assert (code, err) == (0, "")
        assert f"bytes, in {out}" in said
    assert one.read_bytes() == other.read_bytes()
    plan = read_plan(one.read_bytes())
    assert (plan.front_end is None) == (model.suffix == ".tflite")
    assert sorted(tmp_path.iterdir()) == [one, other]
    assert one.stat().st_mode & 0o777 == 0o644


def test_without_out_nothing_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    code, out, _ = typed(WAKE_EN, capsys=capsys)
    assert code == 0
    assert "hears            3 frames of the micro front end, anew after 3; decides about 4 of 5 labels" in out
    assert not list(tmp_path.iterdir())


def test_json_tells_all_of_it(capsys: pytest.CaptureFixture[str]) -> None:
    told = as_json(WAKE_EN, "--board", "stm32f405", capsys=capsys)
    assert (told["name"], told["board"], told["network_only"]) == ("wake-en", "stm32f405", None)
    assert told["arena_bytes"] > told["state_bytes"] > 0
    assert told["macs"] == sum(record["macs"] for record in told["records"]) == 46_496
    assert told["records"][1] | {"from": None, "to": None} == {
        "record": 1,
        "kind": "conv",
        "operator": "19 CONV_2D",
        "input": "5x40x1",
        "output": "1x17x16",
        "macs": 10_880,
        "constants_bytes": 784,
        "from": None,
        "to": None,
    }
    assert len(told["front_end"]["thresholds"]) == 255
    assert [each["column"] for each in told["decisions"]["watched"]] == [0, 1, 2, 3]


def test_every_record_is_explained_and_every_byte_is_on_the_map(capsys: pytest.CaptureFixture[str]) -> None:
    told = as_json(WAKE_EN, capsys=capsys)
    code, out, _ = typed(WAKE_EN, "--explain", capsys=capsys)
    assert code == 0
    lines = out.splitlines()
    head = next(at for at, line in enumerate(lines) if line.split()[:2] == ["record", "of"])
    records = lines[head + 1 : head + 1 + len(told["records"])]
    assert [line.split()[1] for line in records] == [record["kind"] for record in told["records"]]
    bars = [line for line in lines if set(line) & set("█░▒")][1:]
    widths = {len(line.split(maxsplit=2)[-1]) for line in bars}
    assert len(bars) == len(told["records"])
    assert widths == {told["arena_bytes"] // 80}  # in columns of 80 bytes
    # what a conv writes: columns 544 / 80 to (544 + 272) / 80
    assert bars[1].split()[-1][6:11] == "█████"


def test_a_plan_explains_itself(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "nabu.plan"
    assert typed(NABU_PATH, "--out", out, capsys=capsys)[0] == 0
    from_model, from_plan = (as_json(each, capsys=capsys) for each in (NABU_PATH, out))
    for told in (from_model, from_plan):
        told.pop("file")
        for record in told["records"]:
            record.pop("operator")
    assert from_plan == from_model
    code, said, _ = typed(out, "--explain", capsys=capsys)
    assert code == 0
    assert "█" in said


def test_another_library_is_followed_where_it_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    plans = []
    for library in ("litert", "tflite-runtime"):
        out = tmp_path / f"{library}.plan"
        assert typed(NABU_PATH, "--library", library, "--out", out, capsys=capsys)[0] == 0
        plans.append(read_plan(out.read_bytes()))
    rounding = [[getattr(record, "rounding", 0) for record in plan.network.run] for plan in plans]
    assert (sum(rounding[0]), sum(rounding[1])) == (1, 0)  # its one fully connected layer


def test_what_boards_cannot_hear_with_is_compiled_and_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "mel.edged"
    model = NABU_PATH.with_suffix(".tflite").read_bytes()
    front_end = LogMel(bands=40)
    write_bundle(path, model=model, name="mel", labels=["x"], front_end=front_end, window_frames=3, hop_frames=3)
    code, out, _ = typed(path, "--explain", capsys=capsys)
    assert code == 0
    assert "hears            the network only: the firmware has no front end log-mel" in out
    assert as_json(path, capsys=capsys)["network_only"] == "the firmware has no front end log-mel"


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["nowhere.edged"], "nowhere.edged: there is no such model. Name a model that exists."),
        ([str(NABU_PATH), "--out", "x.bin"], "--out = 'x.bin': is no name for a plan. Name a file: NAME.plan."),
        ([str(NABU_PATH), "--out", "new/x.plan"], "--out = 'new/x.plan': its folder is not there. Make new first."),
        ([str(NABU_PATH), "--board", "uno"], "--board = 'uno': is no board of"),
    ],
)
def test_what_is_wrong_is_said_before_anything_is_written(
    words: Sequence[str],
    expected: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    code, out, err = typed(*words, capsys=capsys)
    assert (code, out) == (2, "")
    assert expected in err
    assert not list(tmp_path.iterdir())
