"""The note of what the broker keeps: what an earlier run has said, and this one has not, is cleared."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, cast

import pytest

from edged.messages import Messages
from edged.retained import Note

if TYPE_CHECKING:
    from pathlib import Path

    from edged.mqtt import Link
    from edged.records import Publication

BROKER = "broker:1883"
ROOT = "edged/test/"
MESSAGES = Messages(gateway="test", boot_id="b" * 36, version="1")


class Memory:
    """A link whose broker acknowledges nothing by itself."""

    def __init__(self, *topics: str) -> None:
        self.said = {ROOT + topic: b"ON" for topic in topics}

    @property
    def retained(self) -> frozenset[str]:
        return frozenset(self.said)

    def retain(self, publication: Publication) -> None:
        assert publication.retain
        self.said[publication.topic] = publication.payload

    @property
    def cleared(self) -> set[str]:
        return {topic.removeprefix(ROOT) for topic, payload in self.said.items() if not payload}


def note(folder: Path, link: Memory, *, broker: str = BROKER, messages: Messages = MESSAGES) -> Note:
    return Note(folder / "retained.json", broker=broker, link=cast("Link", link), messages=messages)


def keep(folder: Path, *topics: str) -> None:
    asyncio.run(note(folder, Memory(*topics)).keep())


def noted(folder: Path) -> set[str]:
    return {topic.removeprefix(ROOT) for topic in json.loads((folder / "retained.json").read_text())["topics"]}


def test_what_this_run_has_not_said_is_cleared(tmp_path: Path) -> None:
    keep(tmp_path, "sound/yard/dog/bark", "sound/yard/state", "model/dog/state", "status", "health")
    link = Memory("sound/yard/state", "status")
    asyncio.run(note(tmp_path, link).sweep())
    assert link.cleared == {"sound/yard/dog/bark", "model/dog/state"}


def test_what_is_left_stays_noted_until_it_is_cleared_for_certain(tmp_path: Path) -> None:
    async def scenario() -> None:
        link = Memory("sound/yard/state")
        second = note(tmp_path, link)
        await second.keep()
        assert noted(tmp_path) == {"sound/yard/dog/bark", "sound/yard/state"}, "before the sweep"
        await second.sweep()
        assert noted(tmp_path) == {"sound/yard/dog/bark", "sound/yard/state"}, "the broker is away"
        del link.said[ROOT + "sound/yard/dog/bark"]  # as the link does when the broker has acknowledged it
        await second.keep()
        assert noted(tmp_path) == {"sound/yard/state"}

    keep(tmp_path, "sound/yard/dog/bark")
    asyncio.run(scenario())


@pytest.mark.parametrize(
    ("broker", "gateway", "prefix"), [("other:1883", "test", "edged"), (BROKER, "b", "edged"), (BROKER, "test", "p")]
)
def test_a_note_for_elsewhere_does_not_count(tmp_path: Path, broker: str, gateway: str, prefix: str) -> None:
    keep(tmp_path, "sound/yard/dog/bark")
    link = Memory()
    messages = Messages(gateway=gateway, boot_id="b" * 36, version="1", prefix=prefix)
    asyncio.run(note(tmp_path, link, broker=broker, messages=messages).sweep())
    assert not link.said


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b"\xff",
        b"[" * 100_000,
        b'{"broker": "broker:1883"}',
        b'{"broker": "broker:1883", "topics": {}}',
        b'{"broker": "broker:1883", "topics": [1, null, "", "elsewhere/sound/a"]}',
    ],
)
def test_a_damaged_note_is_none(tmp_path: Path, text: bytes) -> None:
    (tmp_path / "retained.json").write_bytes(text)
    link = Memory()
    asyncio.run(note(tmp_path, link).sweep())
    assert not link.said
    assert noted(tmp_path) == set()


def test_it_is_written_only_when_it_has_changed(tmp_path: Path) -> None:
    async def scenario() -> None:
        link = Memory("sound/yard/state")
        kept, file = note(tmp_path, link), tmp_path / "retained.json"
        await kept.keep()
        file.unlink()
        link.said[ROOT + "health"] = link.said[ROOT + "sound/yard/state"] = b"news"
        await kept.keep()
        assert not file.exists()
        link.said[ROOT + "sound/yard/dog/bark"] = b"OFF"
        await kept.keep()
        assert noted(tmp_path) == {"sound/yard/state", "sound/yard/dog/bark"}

    asyncio.run(scenario())


def test_a_disk_that_refuses_is_complained_of_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async def scenario() -> None:
        kept = note(tmp_path / "state", Memory("sound/yard/state"))
        await kept.keep()
        await kept.keep()
        assert [record.levelname for record in caplog.records] == ["WARNING"]
        (tmp_path / "state").mkdir()
        await kept.keep()
        assert noted(tmp_path / "state") == {"sound/yard/state"}

    caplog.set_level("INFO")
    asyncio.run(scenario())


def test_its_length_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edged.retained.RETAINED_CAP", 3)
    keep(tmp_path, *(f"sound/yard/dog/{number}" for number in range(5)))
    assert noted(tmp_path) == {f"sound/yard/dog/{number}" for number in range(3)}
