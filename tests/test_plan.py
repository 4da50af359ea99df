"""A plan: what would run, and what of it a reload must start anew."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING

import pytest
from eim_peer import write_eim
from nabu import NABU_PATH

from edged.classify.bundle import default_model
from edged.errors import ConfigError, ModelError, WorkerLost
from edged.plan import DEFAULT_MODEL, chosen, plan

if TYPE_CHECKING:
    from pathlib import Path

MODELS = NABU_PATH.parent
TWO_SOURCES = """
[sources.kitchen]
kind = "microphone"
device = "name:kitchen"
[sources.cellar]
kind = "command"
command = ["true"]
"""


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """Two sources; a model of our own copy hears both, and another the cellar."""
    for name in ("okay_nabu", "alexa"):
        for suffix in (".json", ".tflite"):
            shutil.copy((MODELS / name).with_suffix(suffix), tmp_path)
    file = tmp_path / "edged.toml"
    file.write_text(
        f'state_dir = "state"\n{TWO_SOURCES}\n[models.word]\npath = "okay_nabu.json"\n'
        '[models.other]\npath = "alexa.json"\nsources = ["cellar"]\n'
    )
    return file


def edit(file: Path, old: str, new: str) -> None:
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new))


def changed(config: Path, old: str, new: str) -> set[str]:
    """Name the sources that an edit of the config would start anew."""
    before = plan(config)
    edit(config, old, new)
    after = plan(config)
    return {name for name in before.config.sources if before.key(name) != after.key(name)}


def test_every_model_hears_every_source_unless_it_names_some(config: Path) -> None:
    assert plan(config).lanes == [("kitchen", "word"), ("cellar", "word"), ("cellar", "other")]


def test_without_models_the_default_one_hears(tmp_path: Path) -> None:
    file = tmp_path / "edged.toml"
    file.write_text(TWO_SOURCES)
    found = plan(file)
    assert found.lanes == [("kitchen", DEFAULT_MODEL), ("cellar", DEFAULT_MODEL)]
    assert found.configured(DEFAULT_MODEL) == default_model().path


def test_the_same_config_twice_starts_nothing_anew(config: Path) -> None:
    assert changed(config, "[sources.kitchen]", "# just a comment\n[sources.kitchen]") == set()


@pytest.mark.parametrize(
    ("old", "new", "sources"),
    [
        ("name:kitchen", "name:hall", {"kitchen"}),
        ('["true"]', '["false"]', {"cellar"}),
        ('sources = ["cellar"]', 'sources = ["cellar"]\ntimeout_s = 3.0', {"cellar"}),
        ('sources = ["cellar"]', 'sources = ["cellar", "kitchen"]', {"kitchen"}),
        ('path = "okay_nabu.json"', 'path = "okay_nabu.json"\npolicy = { threshold = 0.5 }', {"kitchen", "cellar"}),
        ("[models.word]", "[mqtt]\nport = 1884\n[models.word]", {"kitchen", "cellar"}),
        ("[models.word]", "[runtime]\nkernels = 'reference'\n[models.word]", {"kitchen", "cellar"}),
        ("[models.word]", "[health]\ninterval_s = 5.0\n[models.word]", set()),
    ],
)
def test_only_what_an_edit_shapes_starts_anew(config: Path, old: str, new: str, sources: set[str]) -> None:
    assert changed(config, old, new) == sources


@pytest.mark.parametrize("what", ["model", "cutoff"])
def test_another_content_of_the_same_path_starts_anew(config: Path, what: str) -> None:
    before = plan(config)
    if what == "model":
        shutil.copy(MODELS / "hey_jarvis.tflite", config.parent / "alexa.tflite")
    else:
        told = json.loads((config.parent / "alexa.json").read_text())
        told["micro"]["probability_cutoff"] = 0.5
        (config.parent / "alexa.json").write_text(json.dumps(told))
    after = plan(config)
    assert before.key("kitchen") == after.key("kitchen")
    assert before.key("cellar") != after.key("cellar")


def test_an_eim_is_not_started_to_be_planned_and_its_content_counts(config: Path) -> None:
    eim = write_eim(config.parent / "door.eim", "dead at start")
    edit(config, "alexa.json", "door.eim")
    before = plan(config)
    assert before.pending == {"other"}
    assert before.key("cellar") == plan(config).key("cellar")
    write_eim(eim, "well", shm=False)
    after = plan(config)
    assert before.key("cellar") != after.key("cellar")
    assert before.key("kitchen") == after.key("kitchen")
    installed = after.with_model("other", eim)
    assert installed.pending == frozenset()
    assert installed.key("cellar") == after.key("cellar")
    assert plan(config, ask=True).bundles["other"] == installed.bundles["other"]


def test_a_lost_eim_is_asked_again_by_its_lane(config: Path) -> None:
    eim = write_eim(config.parent / "door.eim", "dead at start")
    edit(config, "alexa.json", "door.eim")
    found = plan(config, ask=True)
    assert found.pending == {"other"}
    with pytest.raises(WorkerLost):
        found.open_lane("other")
    write_eim(eim, "well")
    lane = found.open_lane("other")
    assert lane.bundle.labels == ("loud", "quiet")
    lane.close()


def test_an_eim_that_cannot_be_executed_is_refused(config: Path) -> None:
    write_eim(config.parent / "door.eim").chmod(0o644)
    edit(config, "alexa.json", "door.eim")
    with pytest.raises(ModelError, match="chmod"):
        plan(config)


@pytest.mark.parametrize(
    ("old", "new", "key"),
    [
        ('path = "alexa.json"', 'path = "none.json"', "models.other.path"),
        (
            'command = ["true"]',
            'command = ["true"]\n[sources.file]\nkind = "file"\npath = "a.wav"',
            "sources.file.path",
        ),
    ],
)
def test_a_file_that_is_not_there_is_named_by_its_key(config: Path, old: str, new: str, key: str) -> None:
    edit(config, old, new)
    with pytest.raises(ConfigError) as caught:
        plan(config)
    assert (caught.value.file, caught.value.key) == (str(config), key)
    assert str(config.parent) in str(caught.value.value)


def test_the_models_of_a_command(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The one that is named; else all of the config that is named; else the first of the machine's own."""
    monkeypatch.delenv("EDGED_MODEL", raising=False)
    monkeypatch.setenv("EDGED_CONFIG", str(config))
    assert [bundle.name for bundle in chosen(model=MODELS / "alexa.json")[0]] == ["alexa"]
    assert [bundle.name for bundle in chosen(config=config)[0]] == ["word", "other"]
    assert [bundle.name for bundle in chosen()[0]] == ["word"]
    monkeypatch.setenv("EDGED_CONFIG", str(config.parent / "none.toml"))
    assert chosen()[0] == [default_model()]


@pytest.mark.parametrize("key", ["path", "labels_file"])
def test_a_file_that_cannot_be_looked_at_is_the_users_to_mend(config: Path, key: str) -> None:
    with config.open("a") as file:
        file.write('[models.far]\npath = "okay_nabu.json"\n' if key != "path" else "[models.far]\n")
        file.write(f'{key} = "{"n" * 300}"\n')
    with pytest.raises(ConfigError, match="cannot be looked at: file name too long") as caught:
        plan(config)
    assert caught.value.key == f"models.far.{key}"


@pytest.mark.parametrize("suffix", [".json", ".eim"])
def test_a_plan_with_a_copy_is_the_plan_that_a_restart_would_make(config: Path, tmp_path: Path, suffix: str) -> None:
    if suffix == ".eim":
        model = write_eim(tmp_path / "peer.eim")
        copy = tmp_path / "copy" / "peer.eim"
        copy.parent.mkdir()
        shutil.copy2(model, copy)
    else:
        model = config.with_name("okay_nabu.json")
        copy = MODELS / "okay_nabu.json"
    first = plan(config)
    copied, opened = first.with_model("word", model).with_copy("word", copy), first.with_model("word", copy)
    assert copied == opened
    assert copied.key("kitchen") == opened.key("kitchen")
