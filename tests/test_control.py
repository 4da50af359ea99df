"""The control socket, with a real server on a real UNIX socket: what is answered, to whom, and in whose place."""

from __future__ import annotations

import multiprocessing
import os
import socket
import stat
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from control_rig import DEADLINE_S, Daemon, raw, rest, serving, until

from edged.control.address import bound
from edged.control.client import call, stream
from edged.control.protocol import pcm_of
from edged.errors import DaemonAway, StateError, Unavailable, UserError

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def daemon() -> Daemon:
    return Daemon()


@pytest.fixture
def path(tmp_path: Path, daemon: Daemon) -> Iterator[Path]:
    place = tmp_path / "control.sock"
    with serving(place, daemon.verbs()):
        yield place
    assert not place.exists()


def test_a_verb_is_answered_and_knows_who_asked(path: Path) -> None:
    assert call(path, "status", a=[1]) == {"uid": os.getuid(), "pid": os.getpid(), "args": {"a": [1]}}


def test_a_stream_comes_item_by_item_and_ends(path: Path) -> None:
    assert [item["number"] for item in stream(path, "count", to=50)] == list(range(50))


def test_tapped_audio_arrives_and_the_tap_ends_with_its_listener(path: Path, daemon: Daemon) -> None:
    with closing(stream(path, "tap")) as items:
        for _, item in zip(range(5), items, strict=False):
            assert pcm_of(item) == bytes(32_000)
            assert item["rate_hz"] == 16_000
    assert daemon.taps_ended.wait(DEADLINE_S)


def test_a_tap_ends_with_its_listener_even_while_there_is_nothing_to_hear(path: Path, daemon: Daemon) -> None:
    daemon.quiet.set()
    with raw(path) as peer:
        peer.sendall(b'{"id":1,"verb":"tap"}\n')
        assert not daemon.taps_ended.wait(0.05)
    assert daemon.taps_ended.wait(DEADLINE_S)


def test_who_has_said_all_and_only_listens_is_still_answered(path: Path, daemon: Daemon) -> None:
    with raw(path) as peer:
        peer.sendall(b'{"id":1,"verb":"count","to":3}\n{"id":2,"verb":"status"}\n')
        peer.shutdown(socket.SHUT_WR)
        assert [answer.get("ok") for answer in rest(peer)] == [None, None, None, True, True]
    assert daemon.tapped == 0


def test_what_the_daemon_refuses_is_raised_at_the_caller(path: Path) -> None:
    with pytest.raises(UserError, match="name: is missing"):
        call(path, "install")
    with pytest.raises(Unavailable, match="no such device"):
        call(path, "lost")
    with pytest.raises(UserError, match=r"'statsu': there is no such verb. Known are bug, count, install"):
        call(path, "statsu")
    with pytest.raises(UserError, match=r"b: is no argument of this verb. It takes a"):
        call(path, "status", b=1)


def test_a_bug_in_a_verb_is_not_swallowed(tmp_path: Path, daemon: Daemon) -> None:
    with pytest.raises(ExceptionGroup) as caught, serving(tmp_path / "s", daemon.verbs()):  # noqa: PT012 - it ends inside
        with pytest.raises(DaemonAway):
            call(tmp_path / "s", "bug")
        until(lambda: not (tmp_path / "s").exists())
    assert caught.group_contains(ZeroDivisionError)


# Who may.


def as_nobody(path: Path, verb: str, results: Any) -> None:
    os.setgroups([])
    os.setresgid(65534, 65534, 65534)
    os.setresuid(65534, 65534, 65534)
    try:
        results.put(call(path, verb)["uid"])
    except UserError as error:
        results.put(str(error))


def asked_as_nobody(path: Path, verb: str) -> object:
    context = multiprocessing.get_context("fork")
    results = context.Queue()
    child = context.Process(target=as_nobody, args=(path, verb, results))
    child.start()
    try:
        return results.get(timeout=DEADLINE_S)
    finally:
        child.join(DEADLINE_S)


@pytest.mark.skipif(os.getuid() != 0, reason="only root can ask as another user")
def test_who_may_open_the_socket_may_read_and_only_the_owner_may_write(path: Path, daemon: Daemon) -> None:
    for folder in (path.parent, *path.parent.parents):
        folder.chmod(folder.stat().st_mode | stat.S_IXOTH)
    assert "is closed to this user" in str(asked_as_nobody(path, "status"))
    path.chmod(0o666)
    assert asked_as_nobody(path, "status") == 65534
    assert "is for root and for the daemon's own user. Ask with sudo." in str(asked_as_nobody(path, "install"))
    assert daemon.installed == []
    call(path, "install", name="m")
    assert daemon.installed == ["m"]


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o077])
def test_the_socket_is_0660_and_never_wider(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, umask: int) -> None:
    modes = []
    chmod = Path.chmod

    def spy(self: Path, mode: int) -> None:
        modes.append(stat.S_IMODE(self.stat().st_mode))
        chmod(self, mode)

    monkeypatch.setattr(Path, "chmod", spy)
    before = os.umask(umask)
    try:
        listening = bound(tmp_path / "control.sock")
    finally:
        os.umask(before)
    listening.close()
    assert modes == [0o660 & ~umask]
    assert stat.S_IMODE((tmp_path / "control.sock").stat().st_mode) == 0o660


# Who was there before.


def test_a_living_daemons_socket_is_not_taken(path: Path) -> None:
    with pytest.raises(StateError, match="another edged listens there") as caught:
        bound(path)
    assert caught.value.file == str(path)
    assert call(path, "status")


def test_a_dead_daemons_socket_is_replaced(tmp_path: Path, daemon: Daemon) -> None:
    place = tmp_path / "control.sock"
    bound(place).close()
    assert place.is_socket()
    with serving(place, daemon.verbs()):
        assert call(place, "status")


def test_a_file_in_its_place_is_left_alone(tmp_path: Path) -> None:
    place = tmp_path / "control.sock"
    place.write_text("precious")
    with pytest.raises(StateError, match="Take it away"):
        bound(place)
    assert place.read_text() == "precious"


def test_a_successors_socket_is_not_removed(tmp_path: Path, daemon: Daemon) -> None:
    place = tmp_path / "control.sock"
    with serving(place, daemon.verbs()):
        place.unlink()
        successor = bound(place)
    assert place.is_socket()
    successor.close()


def test_a_place_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    with pytest.raises(StateError, match=r"too long.*runtime_dir"):
        bound(tmp_path / ("x" * 120))
    (tmp_path / "file").touch()
    with pytest.raises(StateError, match="file exists"):
        bound(tmp_path / "file" / "control.sock")
