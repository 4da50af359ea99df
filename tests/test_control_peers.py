"""Peers and daemons that do not behave: each is borne, bounded, told why, or given up."""

from __future__ import annotations

import asyncio
import itertools
import socket
import threading
import time
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edged.control import server as server_module
from edged.control.address import bound
from edged.control.client import call, stream
from edged.control.protocol import MAX_LINE_BYTES, Request
from edged.control.server import Peer, Verb
from edged.errors import DaemonAway, Unavailable

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path


from control_rig import DEADLINE_S, Daemon, raw, rest, serving, until


@pytest.fixture
def daemon() -> Daemon:
    return Daemon()


@pytest.fixture
def path(tmp_path: Path, daemon: Daemon) -> Iterator[Path]:
    place = tmp_path / "control.sock"
    with serving(place, daemon.verbs()):
        yield place
    assert not place.exists()


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
    with closing(stream(path, "tap")) as items:
        next(items)
        until(lambda: daemon.tapped > 200)  # 42 KB each: far more than the buffers hold
        assert call(path, "status")
        heard, lost, last = 1, 0, 0
        for _, item in zip(range(1000), items, strict=False):
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
