"""The password comes from a place that is closed to others, and shows itself nowhere else."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

import pytest

from edged.config import load
from edged.errors import ConfigError
from edged.password import password

if TYPE_CHECKING:
    from pathlib import Path

VARIABLE = "EDGED_PASSWORD"


def test_the_password_comes_from_its_one_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = tmp_path / "mqtt.password"
    place.write_text("hunter2\n")
    place.chmod(0o640)
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    monkeypatch.setenv(VARIABLE, "hunter3")
    assert password() is None
    assert password(file=place) == "hunter2"
    assert password(credential=place.name) == "hunter2"
    assert password(env=VARIABLE) == "hunter3"


def test_the_config_leads_to_it_and_does_not_keep_it(tmp_path: Path) -> None:
    place = tmp_path / "password"
    place.write_text("hunter2\n")
    place.chmod(0o600)
    file = tmp_path / "edged.toml"
    file.write_text('[mqtt]\nusername = "edged"\npassword_file = "password"\n[sources.mic]\nkind = "microphone"\n')
    found = load(file)
    assert found.mqtt.password() == "hunter2"
    assert "hunter2" not in f"{found!r} {asdict(found)}"


@pytest.mark.parametrize("mode", [0o644, 0o602, 0o601])
def test_a_password_file_open_to_others_is_refused(tmp_path: Path, mode: int) -> None:
    place = tmp_path / "password"
    place.write_text("hunter2")
    place.chmod(mode)
    with pytest.raises(ConfigError, match="open to every user") as caught:
        password(file=place)
    assert caught.value.way_out == f"Close it: chmod o= {place}"
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("content", [b"", b"\n", b"a\nb\n", b"\xff\xfe", b"x" * 70_000])
def test_a_password_file_holds_one_line(tmp_path: Path, content: bytes) -> None:
    place = tmp_path / "password"
    place.write_bytes(content)
    place.chmod(0o600)
    with pytest.raises(ConfigError, match=r"mqtt\.password_file"):
        password(file=place)


def test_a_place_that_is_empty_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    monkeypatch.delenv("CREDENTIALS_DIRECTORY", raising=False)
    with pytest.raises(ConfigError, match=r"mqtt.password_env = 'EDGED_PASSWORD'.*no such variable"):
        password(env=VARIABLE)
    with pytest.raises(ConfigError, match=r"mqtt.password_credential.*LoadCredential=pw:"):
        password(credential="pw")
    with pytest.raises(ConfigError, match=r"mqtt.password_file.*no such file"):
        password(file=tmp_path / "none")
