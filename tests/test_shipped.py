"""Models that come with edged are found in a clone, and under the prefix it was installed to, and nowhere else."""

from __future__ import annotations

import sys
import tomllib
from pathlib import Path

import pytest

from edged.errors import ModelError
from edged.shipped import INSTALLED, shipped

ROOT = Path(__file__).parents[1]


def test_in_a_clone_they_are_in_its_models_folder() -> None:
    assert shipped("README.md") == ROOT / "models" / "README.md"


def test_installed_they_are_under_the_prefix(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "prefix", str(tmp_path))
    file = tmp_path / "share/edged/models/dog/dog.edged"
    file.parent.mkdir(parents=True)
    file.touch()
    assert shipped("dog/dog.edged", package=tmp_path / "lib/site-packages/edged") == file


def test_somebody_elses_models_beside_the_package_are_not_ours(tmp_path: Path) -> None:
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "dog.edged").touch()
    with pytest.raises(ModelError, match=r"'dog\.edged': comes with edged, but is not in .*Install edged with"):
        shipped("dog.edged", package=tmp_path / "edged")


def test_the_package_installs_its_models_where_they_are_looked_for() -> None:
    data = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["setuptools"]["data-files"]
    for place, patterns in data.items():
        assert Path(place).is_relative_to(INSTALLED.parent)
        for pattern in patterns:
            assert list(ROOT.glob(pattern)), f"{pattern} matches nothing"
            assert Path(place).name == Path(pattern).parent.name
