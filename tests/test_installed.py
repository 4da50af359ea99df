"""A model installed into the daemon outlives a restart, and gives way to a config that names another."""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING

import pytest
from nabu import NABU_PATH, nabu

from edged import installed
from edged.classify.bundle import open_bundle, write_bundle
from edged.errors import ModelError, StateError

if TYPE_CHECKING:
    from pathlib import Path


def test_what_was_kept_is_found(tmp_path: Path) -> None:
    configured = tmp_path / "old.json"
    kept = installed.keep(tmp_path, "wake", NABU_PATH, configured=configured)
    assert installed.find(tmp_path, "wake", configured=configured) == kept
    assert open_bundle(kept).sha256 == nabu().sha256


def test_another_path_in_the_config_counts_again(tmp_path: Path) -> None:
    installed.keep(tmp_path, "wake", NABU_PATH, configured=tmp_path / "old.json")
    other = tmp_path / "other.json"
    assert installed.find(tmp_path, "wake", configured=other) == other


def test_only_the_newest_is_kept(tmp_path: Path) -> None:
    for _ in range(3):
        kept = installed.keep(tmp_path, "wake", NABU_PATH, configured=tmp_path / "old.json")
    assert [path.name for path in sorted((tmp_path / "models").iterdir())] == ["wake-3", "wake.json"]
    assert kept.exists()


def test_the_older_goes_only_when_the_disk_holds_the_note(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    installed.keep(tmp_path, "wake", NABU_PATH, configured=tmp_path / "old.json")
    seen = []
    real = os.fsync

    def fsync(descriptor: int) -> None:
        real(descriptor)
        if os.path.samestat(os.fstat(descriptor), (tmp_path / "models").stat()):
            seen.append(((tmp_path / "models" / "wake.json").read_text(), (tmp_path / "models" / "wake-1").exists()))

    monkeypatch.setattr(os, "fsync", fsync)
    installed.keep(tmp_path, "wake", NABU_PATH, configured=tmp_path / "old.json")
    ((note, older_is_there),) = seen
    assert "wake-2/" in note
    assert older_is_there


def test_names_that_begin_alike_are_kept_apart(tmp_path: Path) -> None:
    configured = tmp_path / "old.json"
    other = installed.keep(tmp_path, "wake-2", NABU_PATH, configured=configured)
    for _ in range(2):
        installed.keep(tmp_path, "wake", NABU_PATH, configured=configured)
    assert installed.find(tmp_path, "wake-2", configured=configured) == other
    assert sorted(path.name for path in (tmp_path / "models").glob("wake*/")) == ["wake-2", "wake-2-1"]


def test_a_bundle_that_is_named_by_its_manifest(tmp_path: Path) -> None:
    default = nabu()
    bundle = write_bundle(
        tmp_path / "bundle",
        model=default.model,
        name="wake",
        labels=default.labels,
        front_end=default.front_end,
        window_frames=3,
        hop_frames=3,
    )
    kept = installed.keep(tmp_path, "wake", bundle.path / "manifest.json", configured=tmp_path / "old.json")
    assert open_bundle(kept).sha256 == default.sha256


def test_what_is_no_wake_word_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "odd.json").write_text("{}", encoding="utf-8")
    with pytest.raises(ModelError):
        installed.keep(tmp_path, "wake", tmp_path / "odd.json", configured=tmp_path / "old.json")
    assert list((tmp_path / "models").iterdir()) == []


@pytest.mark.parametrize("note", ["", "{", "[]", '{"replaces": 1}'])
def test_a_damaged_note_is_no_note(tmp_path: Path, note: str) -> None:
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "wake.json").write_text(note, encoding="utf-8")
    assert installed.find(tmp_path, "wake", configured=tmp_path / "old") == tmp_path / "old"


def test_a_failed_copy_leaves_what_was(tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.mkdir()
    for path in (NABU_PATH, NABU_PATH.with_suffix(".tflite")):
        shutil.copy(path, source)
    configured = tmp_path / "old.json"
    kept = installed.keep(tmp_path, "wake", source / "okay_nabu.json", configured=configured)
    with pytest.raises(StateError, match="wake-2"):
        installed.keep(tmp_path, "wake", source / "gone.tflite", configured=configured)
    assert installed.find(tmp_path, "wake", configured=configured) == kept
    assert not (tmp_path / "models" / "wake-2").exists()
