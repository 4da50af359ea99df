"""The config file: every way to get it wrong, shown by `edged check`, which says what `edged run` would."""

from __future__ import annotations

from typing import Any

from bad_input.case import Make, Refused
from bad_input.scene import GOOD, MQTT, NABU, SOURCE, TOP, Scene

CHECK = "edged check --config edged.toml"
BARE = '[models.nabu]\npath = "okay_nabu.tflite"\n'


def toml(text: str, *, model: bool = False) -> Make:
    """Make a config of this text."""

    def make(scene: Scene) -> None:
        scene.config(text)
        if model:
            scene.wake_word()

    return make


def swapped(old: str, new: str) -> Make:
    """Make the good config with one line of it otherwise."""
    assert old in GOOD, old
    return toml(GOOD.replace(old, new))


def with_model(table: str) -> Make:
    """Make the good config with a model, which is there."""
    return toml(GOOD + table, model=True)


def case(name: str, wrong: str, make: Make, **answer: Any) -> Refused:
    return Refused(name=name, wrong=wrong, make=make, typed=answer.pop("typed", CHECK), file="edged.toml", **answer)


def locked(scene: Scene) -> None:
    scene.write("edged.toml", GOOD, mode=0)
    scene.become_nobody()


CASES: tuple[Refused, ...] = (
    case("config-missing", "there is none", lambda scene: scene.wav(), way_out="Copy edged.toml.example there"),
    case(
        "config-missing-run",
        "there is none, and the daemon is started",
        lambda scene: scene.wav(),
        typed="edged run --config edged.toml",
        way_out="name another file with --config",
    ),
    case(
        "config-folder",
        "is a folder",
        lambda scene: (scene.folder / "edged.toml").mkdir(),
        what="is a directory",
        way_out="Name a file that this user may read",
    ),
    case(
        "config-unreadable",
        "is closed to this user",
        locked,
        what="permission denied",
        way_out="Name a file that this user may read",
    ),
    case("config-not-toml", "is not TOML", toml(TOP + "[mqtt\n"), what="is not TOML", way_out="Mend that line"),
    case(
        "config-not-text",
        "is not text",
        lambda scene: scene.write("edged.toml", b'gateway = "k\xfcche"\n'),
        what="line 1",
        way_out="Save it as UTF-8",
    ),
    case("config-empty", "is empty", toml(""), key="sources", what="is missing", way_out="Add it"),
    case(
        "typo-top",
        "a typo in a table's name",
        swapped("[mqtt]", "[mqqt]"),
        key="mqqt",
        what="did you mean `mqtt`?",
        way_out="Rename it",
    ),
    case(
        "typo-mqtt",
        "a typo in [mqtt]",
        swapped("host =", "hots ="),
        key="mqtt.hots",
        what="did you mean `host`?",
        way_out="Rename it",
    ),
    case(
        "typo-tls",
        "a typo in [mqtt.tls]",
        toml(TOP + MQTT + '[mqtt.tls]\ncerf = "our.pem"\n' + SOURCE),
        key="mqtt.tls.cerf",
        what="did you mean `cert`?",
        way_out="Rename it",
    ),
    case(
        "typo-source",
        "a typo in a source",
        toml(GOOD + "pased = true\n"),
        key="sources.mic.pased",
        value="true",
        what="did you mean `paced`?",
        way_out="Rename it",
    ),
    case(
        "typo-model",
        "a typo in a model",
        with_model(NABU + "hopms = 30\n"),
        key="models.nabu.hopms",
        value="30",
        what="did you mean `hop_ms`?",
        way_out="Rename it",
    ),
    case(
        "typo-policy",
        "a typo in a policy",
        with_model(NABU + "[models.nabu.policy]\ntreshold = 0.9\n"),
        key="models.nabu.policy.treshold",
        value="0.9",
        what="did you mean `threshold`?",
        way_out="Rename it",
    ),
    case(
        "typo-label-policy",
        "a typo in a label's policy",
        with_model(NABU + "[models.nabu.policies.okay_nabu]\nmeanof = 3\n"),
        key="models.nabu.policies.okay_nabu.meanof",
        value="3",
        what="did you mean `mean_of`?",
        way_out="Rename it",
    ),
    case(
        "typo-front-end",
        "a typo in a front end",
        with_model(BARE + '[models.nabu.front_end]\nname = "mfcc"\nband = 40\n'),
        key="models.nabu.front_end.band",
        value="40",
        what="did you mean `bands`?",
        way_out="Rename it",
    ),
    case(
        "typos",
        "several mistakes at once: all of them are said",
        toml(TOP + "[mqtt]\nhots = 'x'\nport = 'x'\n" + SOURCE + "lop = true\n"),
        key="sources.mic.lop",
        what="mqtt.port = 'x'",
        way_out="Rename it",
    ),
    case(
        "typo-json",
        "a typo, told to a machine",
        swapped("host =", "hots ="),
        typed=CHECK + " --json",
        key='"key": "mqtt.hots"',
        what="did you mean `host`?",
        way_out='"way_out": "Rename it',
    ),
    case(
        "unknown-key",
        "a key like no other",
        toml("volume = 11\n" + GOOD),
        key="volume",
        value="11",
        way_out="Take it out; known here are gateway, ",
    ),
    case(
        "wrong-type",
        "text for a number",
        swapped("port = 1\n", 'port = "1883"\n'),
        key="mqtt.port",
        value="'1883'",
        way_out="Write a whole number, without quotes",
    ),
    case(
        "wrong-type-bool",
        "text for true or false",
        toml(GOOD + 'paced = "yes"\n'),
        key="sources.mic.paced",
        value="'yes'",
        way_out="Write true or false, without quotes",
    ),
    case(
        "out-of-range",
        "a number out of range",
        swapped("port = 1\n", "port = 99999\n"),
        key="mqtt.port",
        value="99999",
        what="is too large",
        way_out="Write 65535 or less",
    ),
    case(
        "threshold-percent",
        "a threshold in per cent",
        with_model(NABU + "[models.nabu.policy]\nthreshold = 85\n"),
        key="models.nabu.policy.threshold",
        value="85",
        what="is too large",
        way_out="Write 1 or less",
    ),
    case(
        "bad-gateway",
        "a gateway's name that is no topic level",
        swapped('"pi"', '"my pi/1"'),
        key="gateway",
        value="'my pi/1'",
        way_out="Use letters, digits, _ and - only",
    ),
    case(
        "host-url",
        "a URL for the broker's host",
        swapped('"127.0.0.1"', '"mqtt://192.168.1.2"'),
        key="mqtt.host",
        what="is not a host name",
        way_out="without mqtt:// and user",
    ),
    case("no-source", "no source at all", toml(TOP + MQTT), key="sources", what="is missing", way_out="Add it"),
    case(
        "source-kind",
        "a source of an unknown kind",
        swapped('"file"', '"radio"'),
        key="sources.mic.kind",
        value="'radio'",
        way_out="'microphone', 'file', 'command'",
    ),
    case(
        "source-kind-missing",
        "a source without a kind",
        swapped('kind = "file"\n', ""),
        key="sources.mic.kind",
        what="is missing",
        way_out="microphone, file or command",
    ),
    case(
        "source-missing-file",
        "a source's recording is not there",
        swapped("sample.wav", "simple.wav"),
        key="sources.mic.path",
        value="simple.wav",
        what="there is no such file",
        way_out="Name one that exists",
    ),
    case(
        "device-index",
        "a microphone by its index",
        toml(TOP + MQTT + '[sources.mic]\nkind = "microphone"\ndevice = "1"\n'),
        key="sources.mic.device",
        value="'1'",
        way_out="as `edged devices` prints them",
    ),
    case(
        "device-number",
        "a microphone by its index, as a number",
        toml(TOP + MQTT + '[sources.mic]\nkind = "microphone"\ndevice = 1\n'),
        key="sources.mic.device",
        value="1",
        way_out="Write it in quotes",
    ),
    case(
        "command-empty",
        "a command without a program",
        toml(TOP + MQTT + '[sources.mic]\nkind = "command"\ncommand = []\n'),
        key="sources.mic.command",
        what="is empty",
        way_out="Name at least one",
    ),
    case(
        "command-string",
        "a command as one string",
        toml(TOP + MQTT + '[sources.mic]\nkind = "command"\ncommand = "arecord -t raw"\n'),
        key="sources.mic.command",
        value="'arecord -t raw'",
        what="is not a list",
        way_out="Write one",
    ),
)
