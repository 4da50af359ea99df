"""The config file: what it says is what stages get, and whatever is wrong with it is said with the way out."""

from __future__ import annotations

import json
import re
import sys
import tomllib
from dataclasses import FrozenInstanceError, fields
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edged import settings, tables, validation
from edged.cli import main
from edged.config import Reading, control_socket, load, schema, where
from edged.errors import ConfigError, Mistakes, Unavailable
from edged.features.spec import KINDS
from edged.records import Policy
from edged.table import Table

ROOT = Path(__file__).parents[1]
EXAMPLE = ROOT / "packaging" / "edged.toml.example"
SOURCE = '[sources.mic]\nkind = "microphone"\n'
MICROPHONE = settings.Microphone(device="default", rate_hz=16_000, channels=1, chunk_ms=64)
BOARD = '[boards.c]\nport = "usb:1A2B"\n'
MODEL = SOURCE + '[models.m]\npath = "m.tflite"\n'


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "edged.toml"


def written(file: Path, text: str) -> Path:
    file.write_text(text, encoding="utf-8")
    return file


def refusal(file: Path, text: str) -> ConfigError:
    with pytest.raises(ConfigError) as caught:
        load(written(file, text))
    assert str(caught.value).startswith(f"{file}: ")
    assert caught.value.way_out
    return caught.value


def test_the_least_file_has_every_default(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("STATE_DIRECTORY", raising=False)
    monkeypatch.delenv("RUNTIME_DIRECTORY", raising=False)
    found = load(written(file, SOURCE))
    assert found.sources == {"mic": MICROPHONE}
    assert found.models == {}
    assert (found.mqtt.host, found.mqtt.port, found.mqtt.tls) == ("localhost", 1883, None)
    assert (found.state_dir, found.control_socket) == (Path("/var/lib/edged"), Path("/run/edged/control.sock"))
    assert re.fullmatch(r"[A-Za-z0-9_-]+", found.gateway)


def test_systemd_names_the_folders(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STATE_DIRECTORY", "/var/lib/private/edged:/var/lib/other")
    monkeypatch.setenv("RUNTIME_DIRECTORY", "/run/private/edged")
    found = load(written(file, SOURCE))
    assert (found.state_dir, found.runtime_dir) == (Path("/var/lib/private/edged"), Path("/run/private/edged"))


def test_paths_are_relative_to_the_file(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written(file, 'state_dir = "state"\n' + MODEL + '[mqtt.tls]\nca = "/etc/ca.pem"\n')
    monkeypatch.chdir(file.parent)
    found = load(Path(file.name))
    assert found.models["m"].path == file.parent / "m.tflite"
    assert found.state_dir == file.parent / "state"
    assert found.mqtt.tls == settings.Tls(ca=Path("/etc/ca.pem"), cert=None, key=None)


@pytest.mark.parametrize(
    ("mqtt", "port", "tls"),
    [("", 1883, False), ("port = 8883", 8883, True), ("tls = {}", 8883, True), ("tls = {}\nport = 1", 1, True)],
)
def test_port_8883_and_tls_imply_each_other(file: Path, mqtt: str, port: int, tls: bool) -> None:  # noqa: FBT001 - a table
    found = load(written(file, f"{SOURCE}[mqtt]\n{mqtt}\n"))
    assert (found.mqtt.port, found.mqtt.tls is not None) == (port, tls)


def test_a_policy_overrides_only_what_it_says_and_a_label_only_for_itself(file: Path) -> None:
    text = MODEL + "[models.m.policy]\nthreshold = 0.8\nn = 2\nof_m = 3\n[models.m.policies.dog]\nthreshold = 0.9\n"
    model = load(written(file, text)).models["m"]
    assert model.policy == {"threshold": 0.8, "n": 2, "of_m": 3}
    assert model.policies == {"dog": {"threshold": 0.9}}


def test_boards_have_the_defaults_of_their_driver(file: Path) -> None:
    found = load(written(file, BOARD + "[boards.d]\nport = '/dev/ttyACM0'\ndriver = 'lines'\nlabels = ['dog']"))
    assert found.boards == {
        "c": settings.Board(port="usb:1A2B"),
        "d": settings.Board(port="/dev/ttyACM0", driver="lines", baud=115_200, labels=("dog",)),
    }
    assert (found.boards["c"].baud, found.find_boards, found.sources) == (1_000_000, False, {})
    stated = load(written(file, BOARD + "driver = 'edge-impulse'\nbaud = 9600\nuid = 'AB:CD'"))
    assert (stated.boards["c"].baud, stated.boards["c"].uid) == (9600, "abcd")


def test_boards_alone_may_hear_and_so_may_those_that_are_found(file: Path) -> None:
    assert load(written(file, "find_boards = true")).sources == {}
    assert load(written(file, "find_boards = true\nsources = {}")).find_boards


def test_the_policy_and_front_end_tables_match_the_records_they_fill() -> None:
    assert set(tables.Policy.model_fields) == {field.name for field in fields(Policy)}
    assert set(tables.FrontEnd.model_fields) == {"name"} | {
        field.name for kind in KINDS.values() for field in fields(kind)
    }
    assert set(tables.FrontEnd.model_fields["name"].annotation.__args__) == set(KINDS)  # type: ignore[union-attr]


WRONG = [
    ("", "sources", None, "is missing", "Add it"),
    ("sources = {}", "sources", None, "is missing", "Add it"),
    ('gateway = "my pi"\n' + SOURCE, "gateway", "my pi", "match pattern", "letters, digits"),
    ("gatway = 'x'\n" + SOURCE, "gatway", "x", "did you mean `gateway`?", "Rename"),
    ("zzz = 1\n" + SOURCE, "zzz", 1, "not a known key", "known here are gateway, "),
    (SOURCE + "devcie = 'default'", "sources.mic.devcie", "default", "did you mean `device`?", "Rename"),
    (SOURCE + "device = '2'", "sources.mic.device", "2", "names no device", "edged devices"),
    (SOURCE + "device = 'name: '", "sources.mic.device", "name: ", "names no device", "edged devices"),
    (SOURCE + 'device = "name:a\\u0000"', "sources.mic.device", "name:a\0", "names no device", "edged devices"),
    ('state_dir = "a\\u0000"\n' + SOURCE, "state_dir", "a\0", "holds a NUL", "Leave it out"),
    (SOURCE + "rate_hz = '16000'", "sources.mic.rate_hz", "16000", "valid integer", "without quotes"),
    (SOURCE + "rate_hz = 100", "sources.mic.rate_hz", 100, "too small", "Write 4000 or more"),
    (SOURCE + "channels = 0", "sources.mic.channels", 0, "too small", "Write 1 or more"),
    (SOURCE + "chunk_ms = true", "sources.mic.chunk_ms", True, "valid integer", "whole number"),
    ("[sources.x]\npath = 'a.wav'", "sources.x.kind", None, "is missing", "microphone, file or command"),
    ("[sources.x]\nkind = 'mic'", "sources.x.kind", "mic", "no kind of source", "'microphone'"),
    ("[sources.x]\nkind = 'file'", "sources.x.path", None, "is missing", "Add it"),
    ("[sources.x]\nkind = 'file'\npath = 1", "sources.x.path", 1, "is not a path", "in quotes"),
    ("[sources.x]\nkind = 'file'\npath = 'a'\nloop = 'no'", "sources.x.loop", "no", "valid boolean", "true or false"),
    ("[sources.x]\nkind = 'command'\ncommand = []", "sources.x.command", None, "is empty", "at least one"),
    ("[sources.x]\nkind = 'command'\ncommand = 'ls'", "sources.x.command", "ls", "not a list", "Write one"),
    ("[sources.x]\nkind = 'command'\ncommand = ['a', 1]", "sources.x.command[1]", 1, "valid string", "in quotes"),
    ("[sources.'my mic']\nkind = 'microphone'", 'sources."my mic"', "my mic", "match pattern", "letters, digits"),
    ("sources = 3", "sources", 3, "valid dictionary", "a table"),
    (SOURCE + "[mqtt]\nport = 70000", "mqtt.port", 70000, "too large", "Write 65535 or less"),
    (SOURCE + "[mqtt]\nhost = 'mqtt://broker'", "mqtt.host", "mqtt://broker", "not a host name", "alone"),
    (SOURCE + "[mqtt]\nhost = ''", "mqtt.host", "", "at least 1 character", "Write something"),
    (SOURCE + "[mqtt]\nkeepalive_s = 1", "mqtt.keepalive_s", 1, "too small", "Write 5 or more"),
    (SOURCE + "[mqtt]\ntopic_prefix = 'home/+'", "mqtt.topic_prefix", "home/+", "not usable", "without +"),
    (SOURCE + "[mqtt]\ntopic_prefix = 'home/'", "mqtt.topic_prefix", "home/", "not usable", "at either end"),
    (SOURCE + "[mqtt.tls]\nkey = 'k.pem'", "mqtt.tls.key", "k.pem", "without a certificate", "Give cert"),
    (
        SOURCE + "[mqtt.tls]\ncafile = 'k.pem'",
        "mqtt.tls.cafile",
        None,
        "not a known key",
        "known here are ca, cert, key",
    ),
    (SOURCE + "[mqtt]\npassword_env = 'E'", "mqtt.username", None, "is missing beside a password", "Add"),
    (SOURCE + "[outbox]\nmax_messages = 0", "outbox.max_messages", 0, "too small", "Write 1 or more"),
    (SOURCE + "[health]\ninterval_s = nan", "health.interval_s", None, "finite number", "Write a number"),
    (SOURCE + "[runtime]\nlibrary = 'onnx'", "runtime.library", "onnx", "'tflite-runtime' or 'litert'", "Write such"),
    (SOURCE + "[models.m]\nsources = ['mic']", "models.m.path", None, "is missing", "Add it"),
    (SOURCE + "[models.state]\npath = 'm'", "models.state", None, "share topics", "another name"),
    (MODEL + "sources = ['mik']", "models.m.sources", "mik", "did you mean `mic`?", "Name any of mic"),
    (MODEL + "labels = ['a', 'a']", "models.m.labels", None, "names 'a' twice", "label of its own"),
    (MODEL + "labels = ['a']\nlabels_file = 'l'", "models.m.labels_file", "l", "second list", "Leave one"),
    (MODEL + "labels = ['dog']\nbackground = ['dgo']", "models.m.background", "dgo", "no such label", "any of dog"),
    (MODEL + "labels = ['dog']\n[models.m.policies.cat]", "models.m.policies", "cat", "no such label", "any of dog"),
    (MODEL + "hop_ms = 0", "models.m.hop_ms", 0, "greater than 0", "Write such"),
    (MODEL + "timeout_s = 0", "models.m.timeout_s", 0, "greater than 0", "Write such"),
    (MODEL + "window_frames = 0", "models.m.window_frames", 0, "too small", "Write 1 or more"),
    (MODEL + "front_end = {name = 'mel'}", "models.m.front_end.name", "mel", "'log-mel'", "Write such"),
    (MODEL + "front_end = {nam = 'pcm', name = 'pcm'}", "models.m.front_end.nam", "pcm", "`name`", "Rename"),
    (MODEL + "policy = {threshold = 1.5}", "models.m.policy.threshold", 1.5, "too large", "Write 1 or less"),
    (MODEL + "policy = {treshold = 0.5}", "models.m.policy.treshold", 0.5, "`threshold`", "Rename"),
    (MODEL + "policies = {dog = {treshold = 0.5}}", "models.m.policies.dog.treshold", 0.5, "`threshold`", "Rename"),
    (MODEL + "policy = {threshold = 0.5, release = 0.6}", "models.m.policy.release", 0.6, "above", "or below"),
    (MODEL + "policy = {n = 3, of_m = 2}", "models.m.policy.of_m", 2, "cannot hold n = 3", "Set of_m to 3"),
    (MODEL + "policy = {n = 3}", "models.m.policy.of_m", None, "cannot hold n = 3", "Set of_m to 3"),
    (MODEL + "policy = {min_s = 3, max_s = 2}", "models.m.policy.max_s", 2, "less than min_s", "Raise max_s"),
    (MODEL + "policy = {refractory_s = -1}", "models.m.policy.refractory_s", -1, "too small", "Write 0 or more"),
    ("[boards.c]", "boards.c.port", None, "is missing", "Add it"),
    (BOARD + "prot = 1", "boards.c.prot", 1, "did you mean `port`?", "Rename"),
    (BOARD + "driver = 'arduino'", "boards.c.driver", "arduino", "'edge-impulse' or 'lines'", "Write such"),
    (BOARD + "baud = 0", "boards.c.baud", 0, "too small", "Write 300 or more"),
    (BOARD + "baud = '115200'", "boards.c.baud", "115200", "valid integer", "without quotes"),
    (BOARD + "dtr = 1", "boards.c.dtr", 1, "valid boolean", "true or false"),
    (BOARD + "uid = 'red one'", "boards.c.uid", "red one", "no chip's number", "hexadecimal"),
    (BOARD + "uid = ':-'", "boards.c.uid", ":-", "no chip's number", "hexadecimal"),
    (BOARD + "driver = 'lines'\nuid = 'ab'", "boards.c.uid", "ab", "told by no board", "Leave it out"),
    (BOARD + "heartbeat_s = 60", "boards.c.heartbeat_s", 60, "too large", "Write 5 or less"),
    (BOARD + "threshold = 0.7", "boards.c.threshold", 0.7, "decides by itself", "Leave it out"),
    (BOARD + "labels = ['dog']", "boards.c.labels", None, "decides by itself", "Leave it out"),
    (BOARD + "driver = 'lines'\nlabels = []", "boards.c.labels", None, "is empty", "Name at least one"),
    (BOARD + "driver = 'lines'\nthreshold = 70", "boards.c.threshold", 70, "too large", "Write 1 or less"),
    (BOARD + "[boards.d]\nport = 'usb:1A2B'", "boards.d.port", "usb:1A2B", "that of boards.c too", "its own"),
    (BOARD + "uid = 'AB'\n[boards.d]\nport = '/d'\nuid = 'a:b'", "boards.d.uid", "ab", "of boards.c too", "its own"),
    ("[boards.c]\nport = 'ttyACM0'", "boards.c.port", "ttyACM0", "names no port", "edged board list"),
    ("[boards.c]\nport = 'usb:'", "boards.c.port", "usb:", "names no port", "edged board list"),
    ('[boards.c]\nport = "/dev/a\\u0000"', "boards.c.port", "/dev/a\0", "names no port", "edged board list"),
    ("[boards.'the cellar']\nport = '/d'", 'boards."the cellar"', "the cellar", "match pattern", "letters, digits"),
    ("[boards.'a/b']\nport = '/d'", 'boards."a/b"', "a/b", "match pattern", "letters, digits"),
    ("boards = ['c']", "boards", None, "valid dictionary", "a table"),
    ("find_boards = 1\n" + SOURCE, "find_boards", 1, "valid boolean", "true or false"),
    (BOARD + "[models.m]\npath = 'm'\n", "sources", None, "models hear sources", "Add one, or"),
    ("find_boards = false\nboards = {}", "sources", None, "is missing", "Add it"),
]


@pytest.mark.parametrize(
    ("text", "key", "value", "what", "way_out"), WRONG, ids=[f"{row[1]}:{row[3]}" for row in WRONG]
)
def test_what_is_wrong_is_named_with_the_way_out(
    file: Path, *, text: str, key: str, value: object, what: str, way_out: str
) -> None:
    error = refusal(file, text)
    assert (error.file, error.key) == (str(file), key)
    assert error.value == value or value is None
    assert what in error.what
    assert way_out in str(error.way_out)
    assert key in str(error)
    assert len(str(error).splitlines()) == 1


def test_all_mistakes_are_told_at_once(file: Path) -> None:
    error = refusal(file, "gatway = 'x'\n" + SOURCE + "rate_hz = 1\nchannels = 0\n[outbx]\n")
    assert isinstance(error, Mistakes)
    told = {mistake.key for mistake in error.mistakes}
    assert told == {"gatway", "sources.mic.rate_hz", "sources.mic.channels", "outbx"}
    assert len(str(error).splitlines()) == 4


@pytest.mark.parametrize(
    ("raw", "what"),
    [
        (b"[sources.mic\n", "is not TOML: Expected ']' at the end of a table declaration (at line 1, column 13)"),
        (b"a = 1\na = 2\n", "is not TOML: Cannot overwrite a value (at line 2"),
        (b"a = 1\nb = '\xff'\n", "is not UTF-8 at line 2"),
        (b"a = " + b"[" * 5000, "is nested too deeply"),
    ],
)
def test_what_is_no_toml_is_placed(file: Path, raw: bytes, what: str) -> None:
    file.write_bytes(raw)
    with pytest.raises(ConfigError) as caught:
        load(file)
    assert caught.value.what.startswith(what)
    assert caught.value.way_out


def test_a_missing_file_and_a_folder_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"no such config file.*--config"):
        load(tmp_path / "none.toml")
    with pytest.raises(ConfigError, match="is a directory"):
        load(tmp_path)


def test_the_file_is_the_one_given_or_of_the_environment_or_the_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("EDGED_CONFIG", raising=False)
    assert where() == Path("/etc/edged/edged.toml")
    monkeypatch.setenv("EDGED_CONFIG", "/srv/edged.toml")
    assert where() == Path("/srv/edged.toml")
    assert where("my.toml") == Path("my.toml")


def test_nothing_of_a_config_can_be_changed(file: Path) -> None:
    found = load(written(file, SOURCE))
    with pytest.raises(FrozenInstanceError):
        found.mqtt.port = 1  # type: ignore[misc]


# Secrets.


@pytest.mark.parametrize(
    "text",
    [
        SOURCE + '[mqtt]\npassword = "hunter2"\n',
        SOURCE + '[mqtt]\npasword = "hunter2"\n',
        SOURCE + '[mqtt]\npw = "hunter2"\n',
        SOURCE + '[mqtt]\nhost = "mqtt://me:hunter2@broker"\n',
        'mqtt = "mqtt://me:hunter2@broker"\n' + SOURCE,
        'password = "hunter2"\n' + SOURCE,
        SOURCE + '[mqt]\npassword = "hunter2"\n',
        SOURCE + 'mqtt_password = "hunter2"\n',
        SOURCE + '[mqtt]\npassword_file = "hunter2"\npassword_env = "hunter2"\n',
    ],
)
def test_a_password_in_the_file_is_refused_and_not_repeated(file: Path, text: str) -> None:
    error = refusal(file, text)
    assert "hunter2" not in f"{error} {error!r} {error.value} {error.args}"
    assert error.__cause__ is None
    assert error.__suppress_context__


def test_a_plain_password_is_told_where_to_go(file: Path) -> None:
    assert "password_file" in str(refusal(file, SOURCE + '[mqtt]\npassword = "x"\n').way_out)


# The schema, the example and the page that explains them.


def described(node: dict[str, Any], definitions: dict[str, Any]) -> dict[str, str]:
    """Every key under this node, with its description."""
    found: dict[str, str] = {}
    for key, value in node.get("properties", {}).items():
        found[key] = value["description"]
    for definition in definitions.values():
        found |= {key: value["description"] for key, value in definition["properties"].items()}
    return found


def everything() -> dict[str, str]:
    whole = schema()
    return described(whole, whole["$defs"])


def uncommented(keep: set[str]) -> str:
    """The example with every key in force, of rival keys only those to be kept."""
    rivals = {"password_credential", "password_file", "password_env", "labels", "labels_file"} - keep
    text = re.sub(r"^#(?=[\[a-z])", "", EXAMPLE.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return re.sub(rf"^({'|'.join(sorted(rivals))}) = .*$", "", text, flags=re.MULTILINE)


def test_the_schema_is_one_and_takes_what_load_takes(file: Path) -> None:
    jsonschema.Draft202012Validator.check_schema(schema())
    validator = jsonschema.Draft202012Validator(schema())
    for text in (SOURCE, EXAMPLE.read_text(encoding="utf-8"), uncommented({"labels", "password_env"})):
        load(written(file, text))
        validator.validate(tomllib.loads(text))
    with pytest.raises(jsonschema.ValidationError):
        validator.validate(tomllib.loads(SOURCE + "devcie = 'x'"))


def test_every_key_is_described_in_one_sentence() -> None:
    for key, description in everything().items():
        assert description.endswith("."), key
        assert "\n" not in description, key


def test_the_example_as_it_ships_is_a_working_config() -> None:
    found = load(EXAMPLE)
    assert found.sources == {"microphone": MICROPHONE}
    assert found.models == {}


@pytest.mark.parametrize("labels", ["labels", "labels_file"])
@pytest.mark.parametrize("password", ["password_credential", "password_file", "password_env"])
def test_the_example_with_everything_uncommented_loads(file: Path, labels: str, password: str) -> None:
    found = load(written(file, uncommented({labels, password})))
    assert getattr(found.models["okay_nabu"], labels)
    assert getattr(found.mqtt, password)
    assert {source.kind for source in found.sources.values()} == {"microphone", "file", "command"}


def test_the_example_shows_every_key_of_every_table(file: Path) -> None:
    shown: set[str] = set()
    for keep in ({"labels", "password_env"}, {"labels_file", "password_file"}, {"labels", "password_credential"}):
        told = tomllib.loads(uncommented(keep))
        for table in tables_of(tables.Config.model_validate(told, context={"folder": file.parent})):
            shown |= table.model_fields_set
    assert set(everything()) == shown


def tables_of(table: Table) -> list[Table]:
    values = [value for name in table.model_fields_set for value in [getattr(table, name)]]
    inner = [item for value in values for item in (value.values() if isinstance(value, dict) else [value])]
    return [table, *(found for item in inner if isinstance(item, Table) for found in tables_of(item))]


def test_commented_defaults_are_the_defaults(file: Path) -> None:
    shown = load(written(file, uncommented({"labels", "password_env"})))
    plain = load(written(file, SOURCE))
    assert shown.outbox == plain.outbox
    assert shown.health == plain.health
    assert shown.runtime == plain.runtime
    assert shown.mqtt.keepalive_s == plain.mqtt.keepalive_s
    assert shown.sources["microphone"] == plain.sources["mic"]
    assert shown.find_boards == plain.find_boards
    told = {"cellar": ("driver", "baud", "heartbeat_s"), "workshop": ("threshold", "refractory_s")}
    for board, keys in told.items():
        for key in keys:
            assert getattr(shown.boards[board], key) == getattr(settings.Board(port="/d"), key)


def test_the_page_repeats_every_description() -> None:
    page = (ROOT / "docs" / "CONFIGURATION.md").read_text(encoding="utf-8")
    for key, description in everything().items():
        assert f"| `{key}` |" in page, key
        assert f"| {description} |" in page, key


TOML_VALUES = st.recursive(
    st.one_of(st.booleans(), st.integers(-(2**40), 2**40), st.floats(), st.text(max_size=8)),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
KEYS = st.sampled_from([*everything(), "mic", "password", "é", ""])


@given(st.dictionaries(KEYS, TOML_VALUES | st.dictionaries(KEYS, TOML_VALUES | st.dictionaries(KEYS, TOML_VALUES))))
def test_whatever_the_file_says_it_is_taken_or_refused_with_words(data: dict[str, Any]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(validation, "_read", lambda _path: data)
        try:
            load(Path("edged.toml"))
        except ConfigError as error:
            rendered = str(error)
        else:
            rendered = "taken"
    assert rendered


def test_the_running_daemon_is_found_though_its_file_was_spoilt(tmp_path: Path) -> None:
    file = tmp_path / "edged.toml"
    file.write_text('runtime_dir = "run"\ngatway = "x"\n')
    assert control_socket(file) == tmp_path / "run" / "control.sock"
    file.write_text("runtime_dir = 3\n")
    with pytest.raises(ConfigError, match="runtime_dir = 3: is not a path"):
        control_socket(file)


def test_a_number_of_thousands_of_digits_is_refused(file: Path) -> None:
    error = refusal(file, "mqtt.port = " + "9" * 5000)
    assert "shorter number" in str(error)


def test_json_tells_every_mistake(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "edged.toml"
    file.write_text('[mqtt]\nprot = 1\n[sources.mic]\nkind = "microphone"\nchunk_ms = 3\n', encoding="utf-8")
    assert main(["check", "--json", "--config", str(file)]) == 2
    told = json.loads(capsys.readouterr().err)
    assert told["key"] == "mqtt.prot"
    assert [mistake["key"] for mistake in told["mistakes"]] == ["mqtt.prot", "sources.mic.chunk_ms"]


# The records that the others see, and the process in which they are made for the daemon.


def test_the_records_hold_what_the_tables_hold() -> None:
    names = "Tls Mqtt Outbox Health Runtime Microphone File Command Model Board Config"
    for name in names.split():
        table, record = getattr(tables, name), getattr(settings, name)
        assert [field.name for field in fields(record)] == list(table.model_fields), name


def test_a_model_without_a_table_is_as_by_the_table(file: Path) -> None:
    assert load(written(file, MODEL)).models["m"] == settings.Model(path=file.parent / "m.tflite")


@pytest.mark.parametrize("keep", [{"labels", "password_env"}, {"labels_file", "password_file"}])
def test_read_apart_it_is_the_same(file: Path, keep: set[str]) -> None:
    written(file, uncommented(keep))
    assert Reading(file).result() == load(file)


def test_a_folder_whose_name_is_no_text_is_read_apart_too(tmp_path: Path) -> None:
    folder = Path(f"{tmp_path}/\udcff")
    folder.mkdir()
    file = written(folder / "edged.toml", 'state_dir = "state"\n' + SOURCE)
    assert Reading(file).result().state_dir == load(file).state_dir == folder / "state"


@pytest.mark.parametrize(
    "text",
    [
        "gatway = 'x'\n" + SOURCE + "rate_hz = 1\nchannels = true\n[outbx]\n",
        SOURCE + "[health]\ninterval_s = nan\n[mqtt]\npassword = 'hunter2'\nhost = 'a b'\n",
        MODEL + "sources = ['mik', 'é']\n",
        "a = ",
    ],
)
def test_mistakes_found_apart_are_told_in_the_same_words(file: Path, text: str) -> None:
    error = refusal(file, text)
    with pytest.raises(ConfigError) as caught:
        Reading(file).result()
    apart = caught.value
    assert str(apart) == str(error)
    assert (apart.file, apart.key, repr(apart.value), apart.way_out) == (
        error.file,
        error.key,
        repr(error.value),
        error.way_out,
    )


@pytest.mark.parametrize(
    ("code", "how"),
    [
        ("raise MemoryError('no more')", "ended with status 1: MemoryError: no more"),
        ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", "ended with status -9"),
        ("print('hello')", "has said nothing that makes sense"),
        ("import time; time.sleep(60)", "has not answered within 0.3 s"),
    ],
)
def test_a_reader_that_fails_is_no_mistake_of_the_users(file: Path, code: str, how: str) -> None:
    deadline_s = 0.3 if "sleep" in code else 10.0
    with pytest.raises(Unavailable) as caught:
        Reading(file, reader=(sys.executable, "-c", code), deadline_s=deadline_s).result()
    assert str(caught.value) == f"{file}: the process that was to read it {how}"


def test_a_reader_that_cannot_be_started_is_no_mistake_of_the_users(file: Path) -> None:
    with pytest.raises(Unavailable, match="cannot be started: no such file or directory"):
        Reading(file, reader=("/nonexistent",))
