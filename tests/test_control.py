"""The control socket, with a real server on a real UNIX socket, and clients that behave and that do not."""

from __future__ import annotations

import asyncio
import itertools
import json
import multiprocessing
import os
import socket
import stat
import threading
import time
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edged.control import server as server_module
from edged.control.address import bound
from edged.control.client import call, stream
from edged.control.protocol import MAX_LINE_BYTES, Request, audio, pcm_of
from edged.control.server import ControlServer, Peer, Verb
from edged.errors import DaemonAway, SourceLost, StateError, Unavailable, UserError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator, Mapping

DEADLINE_S = 10.0


class Daemon:
    """What the verbs of these tests do."""

    def __init__(self) -> None:
        self.installed: list[str] = []
        self.tapped = 0
        self.taps_ended = threading.Event()
        self.quiet = threading.Event()

    async def status(self, request: Request, peer: Peer) -> Mapping[str, Any]:
        return {"uid": peer.uid, "pid": peer.pid, "args": dict(request.args)}

    async def install(self, request: Request, _peer: Peer) -> Mapping[str, Any]:
        self.installed.append(request.text("name"))
        return {}

    async def lost(self, _request: Request, _peer: Peer) -> Mapping[str, Any]:
        raise SourceLost("no such device")

    async def bug(self, _request: Request, _peer: Peer) -> Mapping[str, Any]:
        raise ZeroDivisionError

    async def tap(self, _request: Request, _peer: Peer) -> AsyncIterator[Mapping[str, Any]]:
        try:
            while not self.quiet.is_set():
                self.tapped += 1
                yield audio(bytes(32_000), rate_hz=16_000, channels=1, ended_ns=self.tapped, fresh=self.tapped == 1)
                await asyncio.sleep(0.001)
            await asyncio.Event().wait()
        finally:
            self.taps_ended.set()

    async def count(self, request: Request, _peer: Peer) -> AsyncIterator[Mapping[str, Any]]:
        for number in range(request.args["to"]):
            yield {"number": number}

    def verbs(self) -> dict[str, Verb]:
        return {
            "status": Verb(self.status, "read", frozenset({"a"})),
            "install": Verb(self.install, "write", frozenset({"name"})),
            "lost": Verb(self.lost, "read"),
            "bug": Verb(self.bug, "read"),
            "tap": Verb(self.tap, "read"),
            "count": Verb(self.count, "read", frozenset({"to"})),
        }


def until(true: Callable[[], bool]) -> None:
    end_s = time.monotonic() + DEADLINE_S
    while not true():
        assert time.monotonic() < end_s, "it did not happen"
        time.sleep(0.005)


@contextmanager
def serving(path: Path, verbs: Mapping[str, Verb], **bounds: Any) -> Iterator[None]:
    """Run a server in a thread of its own, as the daemon runs it in its loop, and see it end cleanly."""
    control = ControlServer(path, verbs, **bounds)
    control.bind()
    loop = asyncio.new_event_loop()
    task = loop.create_task(control.run())
    thread = threading.Thread(target=lambda: loop.run_until_complete(asyncio.wait({task})), daemon=True)
    thread.start()
    try:
        yield
    finally:
        loop.call_soon_threadsafe(task.cancel)
        thread.join(DEADLINE_S)
        assert not thread.is_alive(), "the server does not end"
        loop.close()
    if not task.cancelled():
        raise task.exception() or AssertionError("the server ended by itself")


@pytest.fixture
def daemon() -> Daemon:
    return Daemon()


@pytest.fixture
def path(tmp_path: Path, daemon: Daemon) -> Iterator[Path]:
    place = tmp_path / "control.sock"
    with serving(place, daemon.verbs()):
        yield place
    assert not place.exists()


@contextmanager
def raw(path: Path) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as peer:
        peer.settimeout(DEADLINE_S)
        peer.connect(str(path))
        yield peer


def rest(peer: socket.socket) -> list[dict[str, Any]]:
    data = b""
    while piece := peer.recv(65536):
        data += piece
    return [json.loads(line) for line in data.splitlines()]


def test_a_verb_is_answered_and_knows_who_asked(path: Path) -> None:
    assert call(path, "status", a=[1]) == {"uid": os.getuid(), "pid": os.getpid(), "args": {"a": [1]}}


def test_a_stream_comes_item_by_item_and_ends(path: Path) -> None:
    assert [item["number"] for item in stream(path, "count", to=50)] == list(range(50))


def test_tapped_audio_arrives_and_the_tap_ends_with_its_listener(path: Path, daemon: Daemon) -> None:
    with closing(stream(path, "tap")) as items:  # type: ignore[type-var]  # a generator has close()
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


# Peers that do not behave.


def test_a_torn_request_is_answered_with_its_tear(path: Path) -> None:
    request = b'{"id":1,"verb":"status"}\n'
    for cut in range(1, len(request) - 1):
        with raw(path) as peer:
            peer.sendall(request[:cut])
            peer.shutdown(socket.SHUT_WR)
            (answer,) = rest(peer)
        assert answer["error"] == {"kind": "bad-request", "what": "ends in the middle of a line"}


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(cuts=st.lists(st.integers(1, 60), max_size=8))
def test_requests_are_answered_however_they_are_cut(path: Path, cuts: list[int]) -> None:
    data = b"".join(b'{"id":%d,"verb":"status","a":%d}\n' % (number, number) for number in range(3))
    places = sorted({0, len(data), *cuts})
    with raw(path) as peer:
        for begin, end in itertools.pairwise(places):
            peer.sendall(data[begin:end])
        peer.shutdown(socket.SHUT_WR)
        assert [(answer["id"], answer["args"]) for answer in rest(peer)] == [(n, {"a": n}) for n in range(3)]


def test_garbage_is_refused_and_the_next_request_answered(path: Path) -> None:
    with raw(path) as peer:
        peer.sendall(b'\xff\xfe\n{"id":2,"verb":"status"}\n')
        peer.shutdown(socket.SHUT_WR)
        garbage, answer = rest(peer)
    assert (garbage["id"], garbage["error"]["kind"]) == (None, "bad-request")
    assert (answer["id"], answer["ok"]) == (2, True)


def test_a_line_without_end_is_hung_up_on(path: Path) -> None:
    with raw(path) as peer:
        try:
            for _ in range(64):
                peer.sendall(b"x" * (MAX_LINE_BYTES // 32))
        except (BrokenPipeError, ConnectionResetError):
            hung_up = True
        else:
            hung_up = False
        assert hung_up
        assert b"is longer than 1048576 bytes" in peer.recv(65536)


def test_one_too_many_is_told_so_and_room_is_made_again(tmp_path: Path, daemon: Daemon) -> None:
    place = tmp_path / "s"
    with serving(place, daemon.verbs(), max_peers=2):
        with raw(place) as first, raw(place) as second:
            for peer in (first, second):
                peer.sendall(b'{"id":1,"verb":"status"}\n')
                assert b'"ok":true' in peer.recv(65536)
            with pytest.raises(Unavailable, match="2 others are connected already"):
                call(place, "status")

        def answered() -> bool:
            try:
                return bool(call(place, "status"))
            except Unavailable:
                return False

        until(answered)


def test_a_silent_peer_is_hung_up_on(tmp_path: Path, daemon: Daemon) -> None:
    with serving(tmp_path / "s", daemon.verbs(), idle_s=0.05), raw(tmp_path / "s") as peer:
        assert peer.recv(1) == b""


def test_a_slow_listener_loses_items_is_told_how_many_and_holds_up_nobody(path: Path, daemon: Daemon) -> None:
    with closing(stream(path, "tap")) as items:  # type: ignore[type-var]  # a generator has close()
        next(items)
        until(lambda: daemon.tapped > 200)  # 42 KB each: far more than the buffers hold
        assert call(path, "status")
        heard, lost, last = 1, 0, 0
        for item in items:
            heard, lost, last = heard + 1, lost + item.get("dropped", 0), item["ended_ns"]
            if lost:
                break
    assert heard + lost == last
    assert lost > 100


def test_a_listener_that_never_reads_costs_a_bounded_buffer(path: Path, daemon: Daemon) -> None:
    sizes: list[int] = []
    write = asyncio.StreamWriter.write

    def spy(self: asyncio.StreamWriter, data: bytes) -> None:
        write(self, data)
        sizes.append(self.transport.get_write_buffer_size())

    with pytest.MonkeyPatch.context() as patch, raw(path) as peer:
        patch.setattr(asyncio.StreamWriter, "write", spy)
        peer.sendall(b'{"id":1,"verb":"tap"}\n')
        until(lambda: daemon.tapped > 200)
    assert server_module.MAX_UNSENT_BYTES < max(sizes) < server_module.MAX_UNSENT_BYTES + 64 * 1024


def test_who_does_not_take_his_answer_is_hung_up_on(
    tmp_path: Path, daemon: Daemon, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server_module, "TAKE_S", 0.05)

    async def huge(_request: Request, _peer: Peer) -> Mapping[str, Any]:
        return {"x": "x" * (MAX_LINE_BYTES - 100)}

    with serving(tmp_path / "s", {**daemon.verbs(), "huge": Verb(huge, "read")}), raw(tmp_path / "s") as peer:
        peer.sendall(b'{"id":1,"verb":"huge"}\n')
        until(lambda: _hung_up(peer))


def _hung_up(peer: socket.socket) -> bool:
    try:
        peer.send(b" ")
    except (BrokenPipeError, ConnectionResetError):
        return True
    return False


# Daemons that do not behave.


def test_nobody_there_is_said_with_the_way_out(tmp_path: Path) -> None:
    with pytest.raises(DaemonAway, match=r"no such file or directory\); start it with `systemctl start edged`"):
        call(tmp_path / "s", "status")
    bound(tmp_path / "s").close()
    with pytest.raises(DaemonAway, match="connection refused"):
        list(stream(tmp_path / "s", "tap"))


@pytest.mark.parametrize(
    ("says", "what"),
    [
        (b"", "hung up"),
        (b'{"id":1,"o', "hung up"),
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", "talks garbage"),
        (b'{"id":1,"ok":"yes"}\n', "talks garbage"),
        (b"x" * (MAX_LINE_BYTES + 1), "a line without end"),
    ],
)
def test_a_daemon_that_talks_garbage_is_away(tmp_path: Path, says: bytes, what: str) -> None:
    def speak() -> None:
        peer, _ = listening.accept()
        with peer:
            peer.recv(1000)
            peer.sendall(says)

    with bound(tmp_path / "s") as listening:
        thread = threading.Thread(target=speak)
        thread.start()
        with pytest.raises(DaemonAway, match=what):
            call(tmp_path / "s", "status")
        thread.join(DEADLINE_S)


def test_a_daemon_that_hangs_is_away_by_the_deadline(tmp_path: Path) -> None:
    with bound(tmp_path / "s"):
        began_s = time.monotonic()
        with pytest.raises(DaemonAway, match="does not answer"):
            call(tmp_path / "s", "status", deadline_s=0.1)
        with pytest.raises(DaemonAway, match="does not answer"):
            list(stream(tmp_path / "s", "tap", silence_s=0.1))
        assert time.monotonic() - began_s < 5
