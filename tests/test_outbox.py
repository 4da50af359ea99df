"""The outbox against real files, a real full disk and a real SIGKILL."""

from __future__ import annotations

import asyncio
import contextlib
import random
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from concurrent.futures import Future
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from edged import eventfile
from edged.errors import StateError, StorageFull
from edged.eventfile import Caps, Damaged, EventFile
from edged.inbox import Inbox
from edged.outbox import Outbox
from edged.records import Draft

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator
    from pathlib import Path
    from typing import TypeVar

    from edged.records import Stored

    T = TypeVar("T")


def draft(text: str | int, stream: str = "mic/alexa") -> Draft:
    return Draft(stream=stream, topic="edged/k/sound/mic/alexa/event", body=str(text).encode())


def drafts(*texts: str | int) -> list[Draft]:
    return [draft(text) for text in texts]


def told(text: str | int, token: str, key: str = "mcu/ab") -> Draft:
    """Make an event that its sender may repeat."""
    return replace(draft(text, "mcu/cellar/event"), once=(key, token))


def texts(stored: list[Stored]) -> list[str]:
    return [event.body.decode() for event in stored]


def run(awaitable: Awaitable[T]) -> T:
    async def wait() -> T:
        return await asyncio.wait_for(awaitable, 20)

    return asyncio.run(wait())


def everything(outbox: Outbox, after: int = 0) -> list[Stored]:
    return run(outbox.next_batch(after=after, limit=1_000_000))


def eventually(condition: Callable[[], bool], within_s: float = 10) -> None:
    deadline = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < deadline, "did not come true in time"
        time.sleep(0.01)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "outbox.sqlite"


@pytest.fixture
def opened(path: Path) -> Iterator[Callable[..., Outbox]]:
    """Open outboxes at `path` that are closed in the end."""
    with contextlib.ExitStack() as stack:

        def open_one(**caps: int) -> Outbox:
            outbox = Outbox.open(path, **caps)
            stack.callback(outbox.close, timeout_s=0.1)
            return outbox

        yield open_one


def test_first_in_first_out_and_numbered(opened: Callable[..., Outbox]) -> None:
    outbox = opened()
    run(outbox.put([draft("a"), draft("b", "mic/yamnet"), draft("c")]))
    events = everything(outbox)
    assert texts(events) == ["a", "b", "c"]
    assert [(event.stream, event.sequence) for event in events] == [
        ("mic/alexa", 1),
        ("mic/yamnet", 1),
        ("mic/alexa", 2),
    ]
    assert sorted({event.number for event in events}) == [event.number for event in events]
    assert len({event.outbox for event in events}) == 1
    assert texts(run(outbox.next_batch(after=events[0].number, limit=1))) == ["b"]


def test_numbers_and_sequences_go_on_when_all_is_deleted_and_edged_restarted(opened: Callable[..., Outbox]) -> None:
    outbox = opened()
    run(outbox.put(drafts(*range(5))))
    before = everything(outbox)
    outbox.delete(event.number for event in before)
    assert outbox.close() == 0
    again = opened()
    run(again.put(drafts("new")))
    (event,) = everything(again)
    assert event.number > before[-1].number
    assert event.sequence == 6
    assert event.outbox == before[0].outbox


def test_again_marks_what_may_have_been_sent_before(opened: Callable[..., Outbox]) -> None:
    outbox = opened()
    run(outbox.put(drafts("a", "b")))
    assert [event.again for event in everything(outbox)] == [False, False]
    run(outbox.put(drafts("c")))
    assert [event.again for event in everything(outbox)] == [True, True, False]
    outbox.close()
    reopened = opened()
    run(reopened.put(drafts("d")))
    assert [(event.body, event.again) for event in everything(reopened)] == [
        (b"a", True),
        (b"b", True),
        (b"c", True),
        (b"d", False),
    ]


def test_at_the_cap_exactly_the_oldest_go_and_the_count_survives(opened: Callable[..., Outbox]) -> None:
    outbox = opened(cap_messages=100)
    for at in range(0, 250, 25):
        run(outbox.put(drafts(*range(at, at + 25))))
    assert texts(everything(outbox)) == [str(n) for n in range(150, 250)]
    assert (outbox.depth, outbox.lost) == (100, 150)
    outbox.close()
    reopened = opened(cap_messages=100)
    assert (reopened.depth, reopened.lost) == (100, 150)
    run(reopened.put(drafts("one more")))
    assert texts(everything(reopened)) == [*[str(n) for n in range(151, 250)], "one more"]
    assert (reopened.depth, reopened.lost) == (100, 151)


def test_one_commit_over_the_cap(opened: Callable[..., Outbox]) -> None:
    outbox = opened(cap_messages=3)
    run(outbox.put(drafts(*range(10))))
    assert texts(everything(outbox)) == ["7", "8", "9"]
    assert (outbox.depth, outbox.lost) == (3, 7)


def test_a_smaller_cap_after_a_restart(opened: Callable[..., Outbox]) -> None:
    outbox = opened()
    run(outbox.put(drafts(*range(10))))
    outbox.close()
    reopened = opened(cap_messages=4)
    run(reopened.put(drafts(10)))
    assert texts(everything(reopened)) == ["7", "8", "9", "10"]
    assert (reopened.depth, reopened.lost) == (4, 7)


def test_the_file_is_bounded_in_bytes_too(opened: Callable[..., Outbox], path: Path) -> None:
    outbox = opened(cap_bytes=2**20)
    for at in range(40):
        run(outbox.put([draft(f"{at}/{n} " + "x" * 4000) for n in range(25)]))
    kept = everything(outbox)
    assert 100 < len(kept) < 270
    assert len(kept) + outbox.lost == 1000
    assert [event.sequence for event in kept] == list(range(1001 - len(kept), 1001))
    assert path.stat().st_size < 1.5 * 2**20


def test_what_arrives_after_it_was_evicted_is_not_lost(opened: Callable[..., Outbox]) -> None:
    outbox = opened(cap_messages=3)
    run(outbox.put(drafts("a", "b", "c")))
    on_their_way = run(outbox.next_batch(after=0, limit=2))
    run(outbox.put(drafts("d", "e", "f")))
    assert outbox.lost == 3
    outbox.delete([on_their_way[0].number])
    run(outbox.put(drafts("g")))
    assert outbox.lost == 3 - 1 + 1


def test_deleted_is_gone_at_once_and_in_the_file_a_moment_later(opened: Callable[..., Outbox]) -> None:
    outbox = opened()
    run(outbox.put(drafts("a", "b", "c")))
    first, *_ = everything(outbox)
    outbox.delete([first.number])
    assert texts(everything(outbox)) == ["b", "c"]
    assert outbox.depth == 2
    assert outbox._file is not None
    file = outbox._file
    eventually(lambda: file.depth == 2)


def test_a_burst_shares_commits_and_every_commit_is_synced(opened: Callable[..., Outbox]) -> None:
    outbox = opened()
    assert outbox._file is not None
    db = outbox._file._db
    assert db.execute("PRAGMA synchronous").fetchone() == (2,)
    statements: list[str] = []
    db.set_trace_callback(statements.append)
    for n in range(500):
        outbox.offer(draft(n))
    eventually(lambda: outbox.waiting == 0)
    commits = statements.count("COMMIT")
    assert 1 <= commits < 100
    assert outbox.depth == 500


def test_the_watcher_is_told_on_its_loop(opened: Callable[..., Outbox]) -> None:
    outbox = opened()

    async def watch() -> int:
        told = asyncio.Event()
        outbox.watch(told.set)
        outbox.offer(draft("a"))
        await told.wait()
        return threading.get_ident()

    assert run(watch()) == threading.get_ident()
    assert texts(everything(outbox)) == ["a"]


def test_closing_commits_what_waits_and_then_takes_nothing(opened: Callable[..., Outbox]) -> None:
    outbox = opened()
    for n in range(300):
        outbox.offer(draft(n))
    assert outbox.close() == 0
    with pytest.raises(StorageFull, match="closed"):
        outbox.offer(draft("late"))
    with pytest.raises(StorageFull, match="closed"):
        everything(outbox)
    assert len(everything(opened())) == 300


# --- what its sender repeats until it is stored ---


def test_what_is_told_again_is_stored_once_and_counted(opened: Callable[..., Outbox]) -> None:
    outbox = opened()
    run(outbox.put([told("a", "1")]))
    run(outbox.put([told("a", "1")]))
    assert (texts(everything(outbox)), outbox.depth, outbox.duplicates, outbox.lost) == (["a"], 1, 1, 0)
    run(outbox.put([told("a", "1"), told("b", "2"), told("b", "2"), draft("c"), told("d", "3")]))
    events = everything(outbox)
    assert texts(events) == ["a", "b", "c", "d"]
    assert [event.sequence for event in events if event.stream == "mcu/cellar/event"] == [1, 2, 3]
    assert (outbox.depth, outbox.duplicates, outbox.lost) == (4, 3, 0)


def test_only_the_last_token_of_each_key_counts(opened: Callable[..., Outbox]) -> None:
    outbox = opened()
    run(outbox.put([told("a", "1"), told("b", "2"), told("a again", "1"), told("other", "1", key="mcu/cd")]))
    assert texts(everything(outbox)) == ["a", "b", "a again", "other"]
    assert outbox.duplicates == 0


def test_a_token_outlives_its_event_and_a_restart(opened: Callable[..., Outbox]) -> None:
    outbox = opened()
    run(outbox.put([told("a", "1"), told("x", "1", key="mcu/cd")]))
    outbox.delete(event.number for event in everything(outbox))
    outbox.close()
    again = opened()
    run(again.put([told("a", "1"), told("x", "1", key="mcu/cd"), told("b", "2")]))
    assert texts(everything(again)) == ["b"]
    assert again.duplicates == 2
    again.close()
    assert opened().duplicates == 2


def test_the_token_is_kept_in_the_transaction_that_stores_the_event(opened: Callable[..., Outbox]) -> None:
    outbox = opened()
    assert outbox._file is not None
    statements: list[str] = []
    outbox._file._db.set_trace_callback(statements.append)
    run(outbox.put([told("a", "1")]))
    outbox.close()
    said = [statement.split()[0] for statement in statements]
    assert said.count("BEGIN") == said.count("COMMIT") == 1
    where = {name: at for at, text in enumerate(statements) for name in ("event", "once") if f" INTO {name} " in text}
    assert said.index("BEGIN") < where["event"] < where["once"] < said.index("COMMIT")


def test_tokens_of_many_senders_are_bounded_and_those_used_lately_stay(
    opened: Callable[..., Outbox], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(eventfile, "TOKENS_CAP", 3)
    outbox = opened()
    for at, key in enumerate(("a", "b", "c", "a", "d")):  # b has gone
        run(outbox.put([told(key, str(at), key=key)]))
    for life in (outbox, None):
        now = life or opened()
        before = now.duplicates
        run(now.put([told("d", "4", key="d"), told("a", "3", key="a"), told("c", "2", key="c")]))
        assert now.duplicates == before + 3
        now.close()
    last = opened()
    run(last.put([told("b", "1", key="b")]))
    assert texts(everything(last))[-1] == "b"
    assert last.duplicates == 6


def test_a_batch_of_more_senders_than_are_kept(opened: Callable[..., Outbox], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(eventfile, "TOKENS_CAP", 2)
    outbox = opened()
    run(outbox.put([told(key, "1", key=key) for key in "abcde"]))
    assert texts(everything(outbox)) == list("abcde")
    assert outbox._file is not None
    assert outbox._file.tokens == {"d": "1", "e": "1"}
    assert outbox._file._db.execute("SELECT key FROM once ORDER BY key").fetchall() == [("d",), ("e",)]


def test_a_damaged_file_hands_its_tokens_on(path: Path, opened: Callable[..., Outbox]) -> None:
    outbox = opened()
    run(outbox.put([told("x" * 3000, str(at)) for at in range(900)]))
    run(outbox.put([told("x", "899"), told("y", "7", key="mcu/cd")]))
    assert outbox._file is not None
    outbox._file._db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    outbox._file._db.execute("PRAGMA cache_size = 1")
    scribble(path)
    with pytest.raises(StorageFull, match="damaged"):
        everything(outbox)
    run(outbox.put([told("known", "899"), told("y", "7", key="mcu/cd"), told("new", "900")]))
    assert texts(everything(outbox)) == ["new"]
    assert (outbox.lost, outbox.duplicates, outbox.state) == (901, 3, "ok")
    outbox.close()
    reopened = opened()
    run(reopened.put([told("new", "900"), told("y", "7", key="mcu/cd")]))
    assert (texts(everything(reopened)), reopened.duplicates) == (["new"], 5)


def test_pushed_out_of_memory_it_is_no_loss_for_its_sender_has_it() -> None:
    inbox = Inbox(cap=2)
    refused: Future[None] = Future()
    inbox.offer([told("a", "1")], refused)
    inbox.offer([draft("b"), draft("c"), draft("d")])
    with pytest.raises(StorageFull, match="too many"):
        refused.result(timeout=0)
    work = inbox.take()
    assert work is not None
    assert [each.body for each, _ in work.entries] == [b"c", b"d"]
    assert (inbox.dropped, dict(work.skipped)) == (1, {"mic/alexa": 1})


# --- the file as earlier versions of edged have left it ---


def first_format(path: Path) -> None:
    """Write an outbox as edged did before it knew senders that repeat themselves: by the first of the steps alone."""
    with contextlib.closing(sqlite3.connect(path)) as db, db:
        db.execute("PRAGMA journal_mode = WAL")
        for statement in eventfile.STEPS[0]:
            db.execute(statement)
        db.execute(f"PRAGMA application_id = {eventfile.APPLICATION_ID}")
        db.execute("PRAGMA user_version = 1")
        db.execute("INSERT INTO outbox VALUES ('0f0f', 41)")
        insert = "INSERT INTO event (stream, sequence, topic, body) VALUES ('mic/alexa', ?, 't', ?)"
        db.executemany(insert, [(at, str(at).encode()) for at in range(1, 8)])
        db.execute("INSERT INTO stream VALUES ('mic/alexa', 7)")
        db.execute("DELETE FROM event WHERE number < 3")


def test_a_file_of_the_first_format_is_taken_over_whole(path: Path, opened: Callable[..., Outbox]) -> None:
    first_format(path)
    outbox = opened()
    events = everything(outbox)
    assert [(event.number, event.outbox, event.sequence) for event in events] == [(n, "0f0f", n) for n in range(3, 8)]
    assert (outbox.depth, outbox.lost, outbox.duplicates, outbox.set_aside) == (5, 41, 0, None)
    run(outbox.put([draft("8"), told("told", "1"), told("told", "1")]))
    assert [(event.number, event.sequence) for event in everything(outbox)][-2:] == [(8, 8), (9, 1)]
    outbox.close()
    with contextlib.closing(sqlite3.connect(path)) as db:
        assert db.execute("PRAGMA user_version").fetchone() == (len(eventfile.STEPS),)
        assert db.execute("SELECT id, lost, duplicates FROM outbox").fetchall() == [("0f0f", 41, 1)]
    assert opened().duplicates == 1


def test_taking_a_file_over_is_all_or_nothing(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first_format(path)
    steps = (eventfile.STEPS[0], (*eventfile.STEPS[1], "INSERT INTO nowhere VALUES (1)"))
    monkeypatch.setattr(eventfile, "STEPS", steps)
    with pytest.raises(Damaged, match="no such table"):
        EventFile(path, caps=Caps(messages=10, bytes=2**20), former=None)
    with contextlib.closing(sqlite3.connect(path)) as db:
        assert db.execute("PRAGMA user_version").fetchone() == (1,)
        assert db.execute("SELECT * FROM outbox").fetchall() == [("0f0f", 41)]


# --- what bad files get ---


@pytest.mark.parametrize("content", [b"not a database at all" * 100, b"SQLite format 3\x00" + bytes(5000)])
def test_a_file_that_is_no_database_is_set_aside(path: Path, opened: Callable[..., Outbox], content: bytes) -> None:
    path.write_bytes(content)
    path.with_name(path.name + ".corrupt-1").write_bytes(b"from the last time")
    outbox = opened()
    aside = path.with_name(path.name + ".corrupt-2")
    assert outbox.set_aside == aside
    assert aside.read_bytes() == content
    run(outbox.put(drafts("a")))
    assert texts(everything(outbox)) == ["a"]


def test_a_damaged_page_is_found_at_the_start(path: Path, opened: Callable[..., Outbox]) -> None:
    outbox = opened()
    run(outbox.put([draft("x" * 3000) for _ in range(50)]))
    outbox.close()
    scribble(path)
    reopened = opened()
    assert reopened.set_aside == path.with_name(path.name + ".corrupt-1")
    assert (reopened.depth, reopened.state) == (0, "ok")


def test_damage_found_while_running(path: Path, opened: Callable[..., Outbox]) -> None:
    outbox = opened()
    run(outbox.put([draft("x" * 3000) for _ in range(900)]))
    before = run(outbox.next_batch(after=0, limit=1))
    assert outbox._file is not None
    outbox._file._db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    outbox._file._db.execute("PRAGMA cache_size = 1")
    scribble(path)
    with pytest.raises(StorageFull, match="damaged"):
        everything(outbox)
    run(outbox.put(drafts("after")))
    (event,) = everything(outbox)
    assert outbox.set_aside is not None
    assert outbox.set_aside.exists()
    assert (event.body, event.sequence, event.again) == (b"after", 901, False)
    assert event.number > 900
    assert event.outbox != before[0].outbox
    assert (outbox.lost, outbox.state) == (900, "ok")


def scribble(path: Path) -> None:
    with path.open("r+b") as file:
        file.seek(4096)
        file.write(random.Random(1).randbytes(path.stat().st_size - 3 * 4096))


def test_a_file_from_a_newer_edged_is_refused_with_a_way_out(path: Path, opened: Callable[..., Outbox]) -> None:
    opened().close()
    with contextlib.closing(sqlite3.connect(path)) as db:
        db.execute("PRAGMA user_version = 3")
    with pytest.raises(StateError, match=r"newer edged, in format 3; this one knows 2.*Install the newer") as refused:
        opened()
    assert refused.value.file == str(path)


def test_another_programs_file_is_refused(path: Path, opened: Callable[..., Outbox]) -> None:
    with contextlib.closing(sqlite3.connect(path)) as db:
        db.execute("CREATE TABLE precious (x)")
    with pytest.raises(StateError, match="another program"):
        opened()
    assert path.exists()


def test_two_daemons_on_one_file(opened: Callable[..., Outbox]) -> None:
    outbox = opened()
    with pytest.raises(StateError, match="another edged is using it"):
        opened()
    run(outbox.put(drafts("still mine")))


@pytest.mark.parametrize("where", ["missing/outbox.sqlite", "file/outbox.sqlite", "folder"])
def test_a_place_that_cannot_be_written(tmp_path: Path, where: str) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "folder").mkdir()
    with pytest.raises(StateError, match="cannot be written") as refused:
        Outbox.open(tmp_path / where)
    assert refused.value.way_out


def test_nobody_else_can_read_it(path: Path, opened: Callable[..., Outbox]) -> None:
    run(opened().put(drafts("somebody is at home")))
    assert {file.name: file.stat().st_mode & 0o777 for file in path.parent.iterdir()} == {
        "outbox.sqlite": 0o600,
        "outbox.sqlite-wal": 0o600,
    }


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_bug_in_its_thread_is_raised_where_somebody_waits(opened: Callable[..., Outbox]) -> None:
    outbox = opened()

    async def spoil() -> None:
        guard = asyncio.create_task(outbox.guard())
        await outbox.put(drafts("before"))
        assert outbox._file is not None
        outbox._file._db.execute("DROP TABLE stream")
        with pytest.raises(StorageFull, match="has died"):
            await outbox.put(drafts("after"))
        with pytest.raises(sqlite3.OperationalError, match="no such table"):
            await guard

    run(spoil())
    assert "has died" in outbox.state


def test_guarding_ends_with_the_outbox_and_may_be_given_up(opened: Callable[..., Outbox]) -> None:
    outbox = opened()

    async def give_up() -> None:
        guard = asyncio.create_task(outbox.guard())
        await asyncio.sleep(0)
        guard.cancel()
        with pytest.raises(asyncio.CancelledError):
            await guard

    run(give_up())
    assert outbox.close() == 0
    run(outbox.guard())


# --- a full disk ---


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """Mount a disk of 1 MiB."""
    mounted = tmp_path / "disk"
    mounted.mkdir()
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(mounted)], check=False, capture_output=True, timeout=20
    )
    if done.returncode:
        pytest.skip(f"needs the right to mount a small disk: {done.stderr.decode().strip()}")
    yield mounted
    subprocess.run(["umount", "-l", str(mounted)], check=True, timeout=20)


def fill(disk: Path) -> Path:
    ballast = disk / "ballast"
    with contextlib.suppress(OSError), ballast.open("wb", buffering=0) as file:
        while file.write(b"x" * 4096):
            pass
    return ballast


def test_a_disk_that_fills_up_and_is_cleared(small_disk: Path) -> None:
    outbox = Outbox.open(small_disk / "outbox.sqlite", waiting_cap=10)
    run(outbox.put(drafts("before")))
    ballast = fill(small_disk)
    for n in range(60):
        outbox.offer(draft(f"{n} " + "x" * 8000))
        eventually(lambda: outbox.state != "ok" or outbox.waiting == 0)
    assert "full" in outbox.state
    assert str(small_disk) in outbox.state
    assert outbox.waiting == 10
    lost = outbox.lost
    assert lost > 0
    ballast.unlink()
    eventually(lambda: outbox.waiting == 0)
    assert outbox.state == "ok"
    events = everything(outbox)
    assert outbox.lost == lost
    assert len(events) + lost == 1 + 60
    assert [text.split()[0] for text in texts(events[-10:])] == [str(n) for n in range(50, 60)]
    assert events[-1].sequence == 61, "the lost leave a gap in the sequence"
    outbox.close()


def test_a_disk_that_is_full_at_the_start(small_disk: Path) -> None:
    ballast = fill(small_disk)
    outbox = Outbox.open(small_disk / "outbox.sqlite")
    assert "full" in outbox.state
    outbox.offer(draft("a"))
    with pytest.raises(StorageFull):
        everything(outbox)
    ballast.unlink()
    eventually(lambda: outbox.state == "ok")
    assert texts(everything(outbox)) == ["a"]
    outbox.close()


def test_a_damaged_file_on_a_disk_that_cannot_be_written_is_waited_for(small_disk: Path) -> None:
    path = small_disk / "outbox.sqlite"
    path.write_bytes(b"not a database at all" * 100)
    remount(small_disk, "ro")
    outbox = Outbox.open(path)
    assert "cannot be set aside: read-only file system" in outbox.state
    outbox.offer(draft("meanwhile"))
    eventually(lambda: outbox.waiting == 1)
    remount(small_disk, "rw")
    eventually(lambda: outbox.state == "ok")
    assert texts(everything(outbox)) == ["meanwhile"]
    outbox.close()


def remount(disk: Path, how: str) -> None:
    subprocess.run(["mount", "-o", f"remount,{how}", str(disk)], check=True, timeout=20)


def test_closing_on_a_full_disk_is_bounded_and_says_what_was_not_saved(small_disk: Path) -> None:
    outbox = Outbox.open(small_disk / "outbox.sqlite")
    fill(small_disk)
    outbox.offer(*(draft("x" * 8000) for _ in range(50)))
    eventually(lambda: outbox.state != "ok")
    began = time.monotonic()
    assert outbox.close(timeout_s=0.5) == 50
    assert time.monotonic() - began < 2


# --- SIGKILL ---

WRITER = """
import asyncio, sys
from pathlib import Path
from edged.outbox import Outbox
from edged.records import Draft

async def write():
    outbox = Outbox.open(Path(sys.argv[1]), cap_messages=1000)
    n = int(sys.argv[2])
    while True:
        await outbox.put([Draft("s", "t", str(n + more).encode()) for more in range(1 + n % 7)])
        n += 1 + n % 7
        print(n, outbox.lost, flush=True)

asyncio.run(write())
"""


def test_sigkill_loses_nothing_that_was_acknowledged(path: Path, opened: Callable[..., Outbox]) -> None:
    seeded = random.Random(7)
    acknowledged = 0
    for _ in range(6):
        acknowledged = killed_writer(path, acknowledged, lines=seeded.randrange(1, 120))
        outbox = opened(cap_messages=1000)
        kept = [int(text) for text in texts(everything(outbox))]
        newest = kept[-1] + 1
        assert newest >= acknowledged
        assert kept == list(range(max(0, newest - 1000), newest))
        assert outbox.lost == newest - len(kept)
        outbox.close()
        acknowledged = newest


def killed_writer(path: Path, first: int, *, lines: int) -> int:
    """Have a process write events, kill it after so many acknowledgements, return how many events it acknowledged."""
    command = [sys.executable, "-c", WRITER, str(path), str(first)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        said = [child.stdout.readline() for _ in range(lines)]
        child.kill()
        said += child.stdout.read().splitlines(keepends=True)
    return max(int(line.split()[0]) for line in said if line.endswith(b"\n"))


TELLER = """
import asyncio, os, signal, sys
from pathlib import Path
from edged.outbox import Outbox
from edged.records import Draft

async def tell(path, first, last):
    outbox = Outbox.open(Path(path))
    for n in range(int(first), int(last) + 1):
        await outbox.put([Draft("mcu/cellar/event", "t", str(n).encode(), once=("mcu/ab", f"12/{n}"))])
        if n == int(last):
            os.kill(os.getpid(), signal.SIGKILL)
        print(n, flush=True)

asyncio.run(tell(*sys.argv[1:]))
"""


def test_killed_between_the_commit_and_the_answer_it_is_told_again_and_stored_once(
    path: Path, opened: Callable[..., Outbox]
) -> None:
    answered = -1
    for last in (0, 1, 5, 6, 20):
        command = [sys.executable, "-c", TELLER, str(path), str(answered + 1), str(last)]
        done = subprocess.run(command, check=False, capture_output=True, timeout=60)
        assert done.returncode == -signal.SIGKILL, done.stderr
        answered = max([answered, *map(int, done.stdout.split())])
        assert answered == last - 1, "the last one was committed, and nobody has heard of it"
    outbox = opened()
    run(outbox.put([told("20", "12/20")]))
    kept = everything(outbox)
    assert texts(kept) == [str(n) for n in range(21)]
    assert [event.sequence for event in kept] == list(range(1, 22))
    assert (outbox.duplicates, outbox.lost) == (5, 0)
