"""The outbox's file: events in SQLite, oldest first, at most so many.

Every commit is synced (`synchronous=FULL`): with NORMAL, WAL mode may lose the last commits at a power cut. The
numbers of events and the sequences of streams only ever grow, also when the file is empty; what was lost is counted
in the transaction that loses it.

An event that its sender repeats until it is stored comes with a key and a token (`Draft.once`). The last token under
each key is kept in the transaction that stores its event, so that whatever is cut off when, the event is stored once;
what comes again is counted. At most `TOKENS_CAP` keys are kept; then the one that was used least lately is forgotten.

The file is locked as long as it is open, so a second daemon is refused. When it is opened, a file of up to
`CHECK_BYTES` is read through by `quick_check`; of a larger one the rows are counted, no more, because edged should be
ready within a second. Damage, found then or later, means that the file must be set aside under another name, never
deleted.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import sqlite3
import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

from edged.errors import StateError, StorageFull
from edged.records import Stored

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence
    from pathlib import Path

    from edged.records import Draft

CHECK_BYTES = 8 * 2**20
TOKENS_CAP = 1024
"""Senders that repeat themselves: boards, of which a gateway has a few dozen."""
EVICT_SHARE = 64
"""While the file is too large, one 64th of its events goes at a time."""

APPLICATION_ID = 0x45444744
"""``EDGD`` in the file's header: nobody else's file is taken for an outbox."""
STEPS = (
    (
        "CREATE TABLE outbox (id TEXT NOT NULL, lost INTEGER NOT NULL)",
        "CREATE TABLE stream (name TEXT PRIMARY KEY, sequence INTEGER NOT NULL) WITHOUT ROWID",
        """CREATE TABLE event (number INTEGER PRIMARY KEY AUTOINCREMENT, stream TEXT NOT NULL,
                               sequence INTEGER NOT NULL, topic TEXT NOT NULL, body BLOB NOT NULL)""",
    ),
    (
        "ALTER TABLE outbox ADD COLUMN duplicates INTEGER NOT NULL DEFAULT 0",
        "CREATE TABLE once (key TEXT PRIMARY KEY, token TEXT NOT NULL, number INTEGER NOT NULL) WITHOUT ROWID",
    ),
)
"""Statements that lead from each version of the format to the next; `user_version` counts the steps done."""

_DAMAGE = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}
_LOCKED = {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}
_MENDABLE = {sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PERM, sqlite3.SQLITE_AUTH}
_MAY_PASS = {sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_NOMEM} | _MENDABLE | _LOCKED


@dataclass(frozen=True, slots=True)
class Caps:
    """How much the file may hold."""

    messages: int
    bytes: int


class Damaged(Exception):
    """The file is no database, or its pages do not hold together: it must be set aside."""


class EventFile:
    """The file, in the hands of one thread.

    Args:
        path: Where it is; it is made if it is not there.
        caps: How much it may hold.
        former: A damaged file, which this new one follows: numbers, sequences and tokens go on, its events count as
            lost.

    Raises:
        StateError: It cannot be used until the user mends something.
        StorageFull: It cannot be made or read now. (So do `write` and `read`.)
        Damaged: It must be set aside. (So do `write` and `read`.)
    """

    def __init__(self, path: Path, *, caps: Caps, former: EventFile | None) -> None:
        self.path = path
        self._caps = caps
        self._evicted: set[int] = set()
        self._read_to = 0
        _make_private(path)
        try:
            self._db = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=0)
            with contextlib.ExitStack() as on_failure:
                on_failure.callback(self._db.close)
                _configure(self._db)
                _adopt(self._db, path, former)
                self._load()
                on_failure.pop_all()
        except (sqlite3.Error, TypeError) as error:  # TypeError: a row that must be there is not
            raise _meaning(error, path) from error
        self.inherited = self.newest
        """The newest number that was there, or in the former file, when this one was opened."""

    def _load(self) -> None:
        self.id, self.lost, self.duplicates = self._db.execute("SELECT id, lost, duplicates FROM outbox").fetchone()
        self.depth: int = _one(self._db, "SELECT count(*) FROM event")
        self.newest: int = _one(self._db, "SELECT coalesce(max(seq), 0) FROM sqlite_sequence")
        self.sequences: dict[str, int] = dict(self._db.execute("SELECT name, sequence FROM stream"))
        self.tokens: dict[str, str] = dict(self._db.execute("SELECT key, token FROM once ORDER BY number"))
        """By key, the one used least lately first."""

    def write(self, drafts: Sequence[Draft], *, deleted: Collection[int], skipped: Mapping[str, int]) -> None:
        """Delete, count what was dropped before it got here, store, and make room: all of it, or nothing.

        Args:
            drafts: What is stored, in this order, but for what is stored already.
            deleted: Numbers to delete.
            skipped: Events dropped, by stream; their places in the sequence stay empty.
        """
        sequences = {stream: self.sequences.get(stream, 0) + count for stream, count in skipped.items()}
        fresh, tokens = self._fresh(drafts)
        duplicates = self.duplicates + len(drafts) - len(fresh)
        with self._translated(), _transaction(self._db):
            depth = self.depth - self._delete(deleted) + len(fresh)
            newest = self._insert(fresh, sequences)
            self._remember(tokens, newest)
            evicted = self._make_room(depth)
            delivered = len(
                self._evicted.intersection(deleted)
            )  # on their way when they were evicted, and they arrived
            lost = self.lost + sum(skipped.values()) + len(evicted) - delivered
            if (lost, duplicates) != (self.lost, self.duplicates):
                self._db.execute("UPDATE outbox SET lost = ?, duplicates = ?", (lost, duplicates))
        self.depth, self.lost, self.newest = depth - len(evicted), lost, newest
        self.sequences |= sequences
        self.tokens, self.duplicates = tokens, duplicates
        self._evicted.difference_update(deleted)
        self._evicted.update(number for number in evicted if number <= self._read_to)

    def read(self, *, after: int, limit: int, without: Collection[int]) -> list[Stored]:
        """Give the oldest events with a number above `after`, at most `limit`, leaving some out.

        One that was read before, or was there before this file was opened, is marked `again`.
        """
        seen = max(self._read_to, self.inherited)
        found: list[Stored] = []
        with self._translated():
            for row in self._db.execute(_SELECT, (after,)):
                if row[0] not in without:
                    found.append(self._stored(row, again=row[0] <= seen))
                    if len(found) == limit:
                        break
        self._read_to = max(self._read_to, found[-1].number if found else 0)
        return found

    def _stored(self, row: _Row, *, again: bool) -> Stored:
        number, stream, sequence, topic, body = row
        return Stored(
            number=number, outbox=self.id, stream=stream, sequence=sequence, topic=topic, body=bytes(body), again=again
        )

    def _delete(self, numbers: Collection[int]) -> int:
        if not numbers:
            return 0
        return self._db.executemany("DELETE FROM event WHERE number = ?", ((number,) for number in numbers)).rowcount

    def _fresh(self, drafts: Sequence[Draft]) -> tuple[list[Draft], dict[str, str]]:
        """Leave out what is stored already; give the rest, and the tokens as they are once that is stored too."""
        fresh, tokens = [], self.tokens
        for draft in drafts:
            if draft.once is not None:
                key, token = draft.once
                if tokens.get(key) == token:
                    continue
                tokens = {each: tokens[each] for each in tokens if each != key} | {key: token}
            fresh.append(draft)
        return fresh, dict(list(tokens.items())[-TOKENS_CAP:])

    def _remember(self, tokens: dict[str, str], number: int) -> None:
        """Keep these tokens, and no others."""
        gone = ((key,) for key in self.tokens if key not in tokens)
        new = ((key, token, number) for key, token in tokens.items() if self.tokens.get(key) != token)
        self._db.executemany("DELETE FROM once WHERE key = ?", gone)
        self._db.executemany("INSERT OR REPLACE INTO once VALUES (?, ?, ?)", new)

    def _insert(self, drafts: Sequence[Draft], sequences: dict[str, int]) -> int:
        """Store events, note in `sequences` how far each stream has come, return the newest number."""
        newest = self.newest
        for draft in drafts:
            sequence = sequences.get(draft.stream, self.sequences.get(draft.stream, 0)) + 1
            sequences[draft.stream] = sequence
            newest = self._db.execute(_INSERT, (draft.stream, sequence, draft.topic, draft.body)).lastrowid or newest
        self._db.executemany("INSERT OR REPLACE INTO stream VALUES (?, ?)", sequences.items())
        return newest

    @contextlib.contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            if _code(error) in _DAMAGE:
                raise Damaged(str(error)) from error
            if _code(error) in _MAY_PASS:
                raise StorageFull(f"{self.path}: {error}") from error
            raise

    def close(self) -> None:
        """Let go of it."""
        with contextlib.suppress(sqlite3.Error):  # all that was acknowledged is synced; there is nothing left to do
            self._db.close()

    def _make_room(self, depth: int) -> list[int]:
        evicted = self._evict(depth - self._caps.messages)
        while self._used_bytes() > self._caps.bytes and depth - len(evicted) > 1:
            evicted += self._evict(1 + (depth - len(evicted)) // EVICT_SHARE)
        return evicted

    def _evict(self, count: int) -> list[int]:
        if count <= 0:
            return []
        oldest = [row[0] for row in self._db.execute("SELECT number FROM event ORDER BY number LIMIT ?", (count,))]
        self._db.execute("DELETE FROM event WHERE number <= ?", (oldest[-1],))
        return oldest

    def _used_bytes(self) -> int:
        pages: int = _one(self._db, "PRAGMA page_count") - _one(self._db, "PRAGMA freelist_count")
        return pages * int(_one(self._db, "PRAGMA page_size"))


_Row: TypeAlias = tuple[int, str, int, str, bytes]
_INSERT = "INSERT INTO event (stream, sequence, topic, body) VALUES (?, ?, ?, ?)"
_SELECT = "SELECT number, stream, sequence, topic, body FROM event WHERE number > ? ORDER BY number"


def _make_private(path: Path) -> None:
    """Have SQLite find a file that nobody else can read: it tells when somebody is at home. WAL takes the same mode."""
    with contextlib.suppress(OSError):  # what keeps us from making it SQLite will tell
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))


def _configure(db: sqlite3.Connection) -> None:
    db.text_factory = lambda text: text.decode(errors="replace")
    db.execute("PRAGMA locking_mode = EXCLUSIVE")  # and with it no shared-memory file, which a full disk can break
    db.execute("PRAGMA journal_mode = WAL")
    db.execute("PRAGMA synchronous = FULL")


def _adopt(db: sqlite3.Connection, path: Path, former: EventFile | None) -> None:
    """Make sure that the file is a sound outbox in the present format."""
    application, version = _one(db, "PRAGMA application_id"), _one(db, "PRAGMA user_version")
    if application != APPLICATION_ID and _one(db, "SELECT count(*) FROM sqlite_master"):
        raise StateError(
            "this SQLite file belongs to another program", file=path, way_out="Name another state directory, or move it"
        )
    if version > len(STEPS):
        raise StateError(
            f"written by a newer edged, in format {version}; this one knows {len(STEPS)}",
            file=path,
            way_out="Install the newer edged again, or move the file away to begin with an empty outbox",
        )
    if path.stat().st_size <= CHECK_BYTES and (found := _one(db, "PRAGMA quick_check(1)")) != "ok":
        raise Damaged(found)
    if version < len(STEPS):
        _migrate(db, version, former)


def _migrate(db: sqlite3.Connection, version: int, former: EventFile | None) -> None:
    with _transaction(db):
        for statement in itertools.chain(*STEPS[version:]):
            db.execute(statement)
        db.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        db.execute(f"PRAGMA user_version = {len(STEPS)}")
        if version == 0:
            db.execute(
                "INSERT INTO outbox (id, lost, duplicates) VALUES (?, ?, ?)",
                (uuid.uuid4().hex, *((former.lost + former.depth, former.duplicates) if former else (0, 0))),
            )
        if former is not None:
            db.execute("INSERT INTO sqlite_sequence VALUES ('event', ?)", (former.newest,))
            db.executemany("INSERT INTO stream VALUES (?, ?)", former.sequences.items())
            ordered = enumerate(former.tokens.items(), former.newest - len(former.tokens))
            db.executemany("INSERT INTO once VALUES (?, ?, ?)", ((key, token, at) for at, (key, token) in ordered))


@contextlib.contextmanager
def _transaction(db: sqlite3.Connection) -> Iterator[None]:
    db.execute("BEGIN IMMEDIATE")
    try:
        yield
        db.execute("COMMIT")
    finally:
        if db.in_transaction:
            db.execute("ROLLBACK")


def _one(db: sqlite3.Connection, query: str) -> Any:
    return db.execute(query).fetchone()[0]


def _code(error: Exception) -> int:
    return getattr(error, "sqlite_errorcode", 0) & 0xFF  # without the details of an extended code


def _meaning(error: Exception, path: Path) -> StateError | StorageFull | Damaged:
    """Say who must act when a file cannot be opened."""
    code = _code(error)
    if code in _LOCKED:
        return StateError(
            "another edged is using it", file=path, way_out="Stop that one, or name another state directory"
        )
    if code in _MENDABLE and not _writable(path):
        return StateError(
            f"cannot be written ({error})", file=path, way_out="Name a state directory that edged may write to"
        )
    return StorageFull(f"{path}: {error}") if code in _MAY_PASS else Damaged(str(error))


def _writable(path: Path) -> bool:
    if path.exists() and not (path.is_file() and os.access(path, os.W_OK)):
        return False
    return path.parent.is_dir() and os.access(path.parent, os.W_OK)


def set_aside(path: Path) -> Path:
    """Rename a file, with what SQLite keeps beside it, to the first free name; it stays readable by any SQLite tool."""
    for attempt in itertools.count(1):
        aside = path.with_name(f"{path.name}.corrupt-{attempt}")
        if not aside.exists():
            break
    for suffix in ("", "-wal", "-journal"):
        with contextlib.suppress(FileNotFoundError):
            path.with_name(path.name + suffix).rename(aside.with_name(aside.name + suffix))
    return aside
