"""Recordings and microphones."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from fake_portaudio import PEER

from bad_input.case import Make, Refused, Waits, steps
from bad_input.scene import MQTT, TOP, Scene

if TYPE_CHECKING:
    from pathlib import Path


def refused(name: str, wrong: str, make: Make, *, file: str = "sample.wav", **answer: Any) -> Refused:
    return Refused(
        name=name, wrong=wrong, make=make, typed=answer.pop("typed", f"edged classify {file}"), file=file, **answer
    )


def cut_header(scene: Scene) -> None:
    path = scene.wav()
    path.write_bytes(path.read_bytes()[:30])


def no_samples(scene: Scene) -> None:
    path = scene.wav()
    path.write_bytes(path.read_bytes()[:44])


def no_sound_system(scene: Scene) -> Path:
    """Hide whatever microphones this machine has."""
    silence = scene.write("no.conf", "pcm.!default { type hw card 31 }\nctl.!default { type hw card 31 }\n")
    scene.env |= {"ALSA_CONFIG_PATH": str(silence), "PULSE_SERVER": "unix:/nonexistent", "HOME": str(scene.folder)}
    return silence


GIVE = "Give a WAV, FLAC or OGG file with sound in it"
CASES: tuple[Refused, ...] = (
    refused(
        "wav-missing",
        "there is no such file",
        lambda _: None,
        what="there is no such file",
        way_out="Name a recording that exists",
    ),
    refused(
        "wav-missing-replay",
        "there is no such file, at replay",
        lambda _: None,
        typed="edged replay sample.wav",
        what="there is no such file",
        way_out="Name a recording that exists",
    ),
    refused(
        "wav-folder",
        "a folder",
        lambda scene: (scene.folder / "sample.wav").mkdir(),
        what="this is a folder",
        way_out="Name a file in it",
    ),
    refused(
        "wav-empty",
        "an empty file",
        lambda scene: scene.write("sample.wav", ""),
        what="the file is empty",
        way_out=GIVE,
    ),
    refused(
        "wav-text",
        "a text with the name of a WAV",
        lambda scene: scene.write("sample.wav", "not a recording\n" * 100),
        what="this is not a recording that can be read",
        way_out=GIVE,
    ),
    refused(
        "wav-cut-header",
        "a WAV cut within its header",
        cut_header,
        what="this is not a recording that can be read",
        way_out=GIVE,
    ),
    refused("wav-no-samples", "a WAV that is only a header", no_samples, what="there is no sound in it", way_out=GIVE),
    refused(
        "wav-no-samples-replay",
        "a WAV that is only a header, at replay",
        no_samples,
        typed="edged replay sample.wav",
        what="there is no sound in it",
        way_out=GIVE,
    ),
    refused(
        "wav-unreadable",
        "a recording closed to this user",
        steps(lambda scene: scene.wav().chmod(0), Scene.become_nobody),
        what="permission denied",
        way_out="Name a file that this user may read",
    ),
    refused(
        "wav-second",
        "the second of two recordings",
        lambda scene: scene.wav(),
        file="second.wav",
        typed="edged classify sample.wav second.wav",
        what="there is no such file",
        way_out="Name a recording that exists",
    ),
    refused(
        "wav-source",
        "a recording of the config that is none, and the daemon is started",
        steps(Scene.config, lambda scene: scene.write("sample.wav", "x" * 100)),
        typed="edged run --config edged.toml",
        file="edged.toml",
        key="sources.mic.path",
        value="'sample.wav'",
        what="this is not a recording that can be read",
        way_out=GIVE,
    ),
    refused(
        "wav-source-check",
        "a recording of the config that is none",
        steps(Scene.config, lambda scene: scene.write("sample.wav", "x" * 100)),
        typed="edged check --config edged.toml",
        file="edged.toml",
        key="sources.mic.path",
        value="'sample.wav'",
        what="this is not a recording that can be read",
        way_out=GIVE,
    ),
)


def no_microphone(scene: Scene) -> None:
    no_sound_system(scene)
    port = scene.mosquitto().port
    scene.write("edged.toml", TOP + f'[mqtt]\nhost = "127.0.0.1"\nport = {port}\n[sources.mic]\nkind = "microphone"\n')


def microphone(device: str, **case: Any) -> Make:
    """Make a machine with one microphone, `fake`, as the case has it."""

    def make(scene: Scene) -> None:
        scene.write("peer/pyaudio.py", PEER)
        told = {"devices": [{"name": "fake"}]} | case
        scene.env |= {"PYTHONPATH": str(scene.folder / "peer"), "FAKE_PORTAUDIO": json.dumps(told)}
        scene.write("edged.toml", TOP + MQTT + f'[sources.mic]\nkind = "microphone"\ndevice = "{device}"\n')

    return make


def no_program(scene: Scene) -> None:
    scene.write("edged.toml", TOP + MQTT + '[sources.mic]\nkind = "command"\ncommand = ["./hear"]\n')


def program(scene: Scene) -> None:
    scene.write("hear", "#!/bin/sh\nexec cat /dev/zero\n", mode=0o755)


WAITS: tuple[Waits, ...] = (
    Waits(
        name="no-microphone",
        wrong="no microphone at all",
        make=no_microphone,
        says="mic: default: no default input device; there is no input device at all; plug one in",
        status="deaf: mic absent since",
        published=("sound/mic/state", '"state":"absent"'),
    ),
    Waits(
        name="microphone-other",
        wrong="the microphone named is not there, another one is",
        make=microphone("name:Yeti"),
        says="mic: name:Yeti: no such device; there are: name:fake",
        status="deaf: mic absent since",
    ),
    Waits(
        name="microphone-busy",
        wrong="another program has the microphone",
        make=microphone("name:fake", error=-9985),
        says="mic: name:fake: fake is in use by another program",
        status="deaf: mic busy since",
    ),
    Waits(
        name="no-program",
        wrong="a source's program is not there",
        make=no_program,
        says="mic: hear: the command cannot be started",
        status="deaf: mic absent since",
        mend=program,
        then="mic: hear: 16000 Hz",
    ),
)
