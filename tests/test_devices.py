"""Devices by name and by USB socket: what to paste, and that it still means the same after a reboot."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

import fake_portaudio
import pytest

from edged.audio import identity
from edged.audio.devices import check_device, list_devices
from edged.audio.identity import Seen
from edged.errors import ConfigError, SourceLost

if TYPE_CHECKING:
    from pathlib import Path

    from rig import Rig

pytest_plugins = ("rig_fixtures",)


@pytest.fixture
def sysfs(tmp_path: Path) -> str:
    """A Pi with two equal microphones on a hub, a headset, and its own sound."""
    plugged = {
        0: "devices/platform/soc/fe00b840.mailbox/bcm2835-audio",
        1: "devices/platform/scb/usb1/1-1/1-1.3/1-1.3:1.0",
        2: "devices/platform/scb/usb1/1-1/1-1.4/1-1.4:1.0",
        3: "devices/pci0000:00/0000:00:1f.3",
        4: "devices/platform/scb/usb2/2-1/2-1:1.0",
    }
    (tmp_path / "class/sound").mkdir(parents=True)
    for card, place in plugged.items():
        (tmp_path / place).mkdir(parents=True)
        (tmp_path / place / f"sound/card{card}").mkdir(parents=True)
        (tmp_path / place / f"sound/card{card}/device").symlink_to(tmp_path / place)
        (tmp_path / f"class/sound/card{card}").symlink_to(tmp_path / place / f"sound/card{card}")
    return str(tmp_path)


def seen(sysfs: str, *names: str) -> list[Seen]:
    return [
        Seen(index=index, name=name, host_api="ALSA", channels=1, rate_hz=44100, sysfs=sysfs)
        for index, name in enumerate(names)
    ]


def indices(device: str, among: list[Seen]) -> list[int]:
    return [one.index for one in identity.find(*identity.parse(device), among)]


def test_usb_paths_come_from_sysfs(sysfs: str) -> None:
    assert [identity.usb_path(card, sysfs=sysfs) for card in range(6)] == [None, "1-1.3", "1-1.4", None, "2-1", None]


@pytest.mark.parametrize(
    ("name", "split"),
    [
        ("USB PnP Sound Device: Audio (hw:1,0)", ("USB PnP Sound Device: Audio", 1)),
        ("Mic (for Pi) (hw:12,3)", ("Mic (for Pi)", 12)),
        ("mic", ("mic", None)),
        ("Thing (hw:x)", ("Thing (hw:x)", None)),
    ],
)
def test_the_index_is_split_from_the_name(name: str, split: tuple[str, int | None]) -> None:
    assert identity.split_name(name) == split


def test_a_name_survives_renumbering(sysfs: str) -> None:
    before = seen(sysfs, "USB PnP Sound Device: Audio (hw:1,0)", "Headset: USB Audio (hw:4,0)", "default")
    after = seen(sysfs, "default", "Headset: USB Audio (hw:1,0)", "USB PnP Sound Device: Audio (hw:4,0)")
    assert [identity.paste(one, before) for one in before] == [
        "name:USB PnP Sound Device",
        "name:Headset",
        "name:default",
    ]
    assert indices("name:USB PnP Sound Device", after) == [2]
    assert indices("name:USB PnP Sound Device: Audio", after) == [2]


def test_equal_microphones_are_told_apart_by_socket(sysfs: str) -> None:
    two = seen(sysfs, "USB PnP Sound Device: Audio (hw:1,0)", "USB PnP Sound Device: Audio (hw:2,0)")
    assert [identity.paste(one, two) for one in two] == ["usb:1-1.3", "usb:1-1.4"]
    assert indices("usb:1-1.4", two) == [1]
    assert indices("usb:1-1.5", two) == []
    assert len(indices("name:USB PnP Sound Device", two)) == 2


def test_a_card_with_two_inputs_needs_its_whole_name(sysfs: str) -> None:
    inputs = seen(sysfs, "HDA: Analog (hw:3,0)", "HDA: Alt Analog (hw:3,2)")
    assert [identity.paste(one, inputs) for one in inputs] == ["name:HDA: Analog", "name:HDA: Alt Analog"]
    assert indices("name:HDA: Alt Analog", inputs) == [1]


def test_every_pasted_string_means_its_own_device(sysfs: str) -> None:
    names = ["A: x (hw:0,0)", "A: y (hw:0,1)", "B: x (hw:1,0)", "B: x (hw:2,0)", "C: x (hw:4,0)", "C", "default"]
    among = seen(sysfs, *names)
    for one in among:
        assert indices(identity.paste(one, among), among) == [one.index], one.name


def asound(root: Path, *, owner: int | None) -> str:
    stream = root / "asound/card1/pcm0c/sub0"
    stream.mkdir(parents=True)
    status = "closed\n" if owner is None else f"state: RUNNING\nowner_pid   : {owner}\ntrigger_time: 1.0\n"
    (stream / "status").write_text(status)
    lines = (
        " 1 [Device         ]: USB-Audio - USB PnP Sound Device\n                      C-Media at usb-1.3, full speed\n"
    )
    (root / "asound/cards").write_text(
        " 0 [Headphones     ]: bcm2835 - bcm2835 Headphones\n                      x\n" + lines
    )
    if owner is not None:
        (root / str(owner)).mkdir()
        (root / str(owner) / "comm").write_text("arecord\n")
    return str(root)


@pytest.mark.parametrize("device", ["name:USB PnP Sound Device", "name:USB PnP Sound Device: Audio", "usb:1-1.3"])
def test_a_busy_card_names_its_holder(sysfs: str, tmp_path: Path, device: str) -> None:
    proc = asound(tmp_path / "proc", owner=4711)
    assert identity.holder(*identity.parse(device), sysfs=sysfs, proc=proc) == "process 4711 (arecord)"


def test_a_free_or_absent_card_has_no_holder(sysfs: str, tmp_path: Path) -> None:
    proc = asound(tmp_path / "proc", owner=None)
    assert identity.holder("usb", "1-1.3", sysfs=sysfs, proc=proc) is None
    assert identity.holder("name", "Other", sysfs=sysfs, proc=proc) is None
    assert identity.holder("name", "Other", sysfs=sysfs, proc=str(tmp_path / "nowhere")) is None


@pytest.mark.parametrize("device", ["default", "name:mic", "usb:1-1.3", "name: a b "])
def test_device_strings_are_accepted(device: str) -> None:
    check_device(device)


@pytest.mark.parametrize("device", ["", "0", "hw:1,0", "name:", "usb:  ", "Default", "USB Mic"])
def test_other_strings_are_refused_with_key_value_and_way_out(device: str) -> None:
    with pytest.raises(ConfigError) as caught:
        check_device(device, key="sources.mic.device")
    assert caught.value.key == "sources.mic.device"
    assert caught.value.value == device
    assert "edged devices" in str(caught.value)


def test_the_devices_of_the_rig_are_listed(rig: Rig) -> None:
    devices = {device.paste: device for device in list_devices()}
    assert devices["name:mic"].host_api == "ALSA"
    assert devices["name:mic"].card is None
    rig.unplug()
    rig.kill_server()
    assert list_devices() == []


def test_a_stalled_server_is_not_waited_for(rig: Rig) -> None:
    rig.stall()
    began_s = time.monotonic()
    with pytest.raises(SourceLost, match="not answered for 1 s"):
        list_devices(deadline_s=1)
    assert time.monotonic() - began_s < 3


def test_a_broken_portaudio_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake_portaudio.use(tmp_path / "fake", monkeypatch, die=True)
    with pytest.raises(SourceLost, match="all is lost"):
        list_devices()


def test_only_inputs_are_listed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    devices = [{"name": "in (hw:0,0)"}, {"name": "out (hw:0,1)", "maxInputChannels": 0}]
    fake_portaudio.use(tmp_path / "fake", monkeypatch, devices=devices)
    (device,) = list_devices()
    assert (device.paste, device.name, device.card, device.rate_hz) == ("name:in", "in", 0, 44100)
    assert os.environ.get("FAKE_PORTAUDIO")
