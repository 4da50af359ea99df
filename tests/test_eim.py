"""`.eim` models that work, die, hang and lie, each a real process (`eim_peer`); and what is left of them: nothing."""

from __future__ import annotations

import math
import os
import resource
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import psutil
import pytest
from eim_peer import LABELS, RATE_HZ, SAMPLES, Way, write_eim
from hypothesis import given
from hypothesis import strategies as st

from edged.classify.bundle import Bundle, open_bundle
from edged.classify.eim import EimModel
from edged.classify.eim_wire import BROKEN, FEATURES, HELLO, MAX_BODY_BYTES, SCORES, Decoder, GarbageError, encode
from edged.classify.model import open_model
from edged.errors import ModelError, WorkerLost
from edged.features.spec import RawPcm
from edged.records import Policy

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

SHM = Path("/dev/shm")  # noqa: S108 - shared memory, not files
LOUD = np.full((SAMPLES, 1), 16384, dtype=np.float32)
QUIET = np.zeros((SAMPLES, 1), dtype=np.float32)


def described(path: Path) -> Bundle:
    """The bundle of a peer, without asking it."""
    return Bundle(
        name="peer",
        path=path,
        kind="eim",
        labels=tuple(LABELS),
        front_end=RawPcm(rate_hz=RATE_HZ),
        window_frames=SAMPLES,
        hop_frames=SAMPLES // 4,
        policies=dict.fromkeys(LABELS, Policy()),
        sha256="",
    )


def traces() -> tuple[set[int], set[str], set[str], int]:
    """Everything that a model could leave behind: processes, shared memory, folders, descriptors."""
    return (
        {child.pid for child in psutil.Process().children(recursive=True)},
        {path.name for path in SHM.glob("eim-peer*")},
        {path.name for path in Path(tempfile.gettempdir()).glob("edged-eim-*")},
        len(list(Path("/proc/self/fd").iterdir())),
    )


def until(holds: Callable[[], bool], *, within_s: float = 5) -> None:
    deadline = time.monotonic() + within_s
    while not holds():
        assert time.monotonic() < deadline, "it did not come to hold"
        time.sleep(0.01)


def peers(of: Path) -> list[psutil.Process]:
    """The peer's own processes, wherever they hang in the tree."""
    return [process for process in psutil.process_iter(["cmdline"]) if str(of) in (process.info["cmdline"] or ())]


@pytest.fixture(autouse=True)
def nothing_is_left() -> Iterator[None]:
    before = traces()
    yield
    until(lambda: traces() == before)


@pytest.mark.parametrize("shm", [True, False])
def test_a_model_answers_window_after_window(tmp_path: Path, *, shm: bool) -> None:
    model = open_model(open_bundle(write_eim(tmp_path / "peer.eim", shm=shm)))
    assert model.labels == ("loud", "quiet")
    for _ in range(3):
        assert model.scores(LOUD).tolist() == [0.5, 0.5]
        assert model.scores(QUIET).tolist() == [0.0, 1.0]
    model.close()
    model.close()


def test_a_bundle_is_what_the_model_says_of_itself(tmp_path: Path) -> None:
    bundle = open_bundle(write_eim(tmp_path / "Front Door.eim"), background=["quiet"], policy={"threshold": 0.4})
    assert (bundle.name, bundle.labels, bundle.rate_hz) == ("front_door", ("loud", "quiet"), RATE_HZ)
    assert (bundle.window_frames, bundle.hop_frames) == (SAMPLES, SAMPLES // 4)
    assert bundle.policies == {"loud": Policy(threshold=0.4)}
    assert bundle.description == "loudness"


def test_windows_overlap_by_three_quarters_where_the_model_names_no_slice(tmp_path: Path) -> None:
    assert open_bundle(write_eim(tmp_path / "a.eim", hello={"slice_size": 0})).hop_frames == SAMPLES // 4


@pytest.mark.parametrize(
    ("way", "why"),
    [
        ("die", r"peer\.eim: the model ended: signal 9 \(Killed\)"),
        ("garbage", "talks garbage"),
        ("wrong id", "talks garbage"),
        ("refuse", "refuses: the arena is too small"),
        ("no label", "lacks 'quiet'"),
        ("nan", "its scores are"),
    ],
)
def test_a_model_that_fails_at_its_second_window_is_lost_at_once(tmp_path: Path, way: Way, why: str) -> None:
    model = EimModel.open(described(write_eim(tmp_path / "peer.eim", way, at=2)), timeout_s=30)
    model.scores(LOUD)
    with pytest.raises(WorkerLost, match=why):
        model.scores(LOUD)
    with pytest.raises(WorkerLost, match="lost before"):
        model.scores(LOUD)
    model.close()


@pytest.mark.parametrize("shm", [True, False])
def test_a_model_that_hangs_is_killed_at_its_deadline(tmp_path: Path, *, shm: bool) -> None:
    model = EimModel.open(described(write_eim(tmp_path / "peer.eim", "hang", at=2, shm=shm)), timeout_s=0.5)
    model.scores(LOUD)
    began = time.monotonic()
    with pytest.raises(WorkerLost, match=r"no answer within 0\.5 s"):
        model.scores(LOUD)
    assert 0.5 <= time.monotonic() - began < 1
    until(lambda: peers(tmp_path / "peer.eim") == [])  # it dies by itself once its worker is gone


def test_a_model_dead_at_start_is_reported_with_its_exit_status(tmp_path: Path) -> None:
    began = time.monotonic()
    with pytest.raises(WorkerLost, match="the model ended: exit status 3"):
        open_bundle(write_eim(tmp_path / "peer.eim", "dead at start"))
    assert time.monotonic() - began < 3


@pytest.mark.parametrize("way", ["no socket", "hang in hello"])
def test_a_model_that_never_says_hello_is_killed_at_the_deadline(tmp_path: Path, way: Way) -> None:
    with pytest.raises(WorkerLost, match="no answer within 1 s"):
        EimModel.open(described(write_eim(tmp_path / "peer.eim", way)), timeout_s=1, start_s=1)
    until(lambda: peers(tmp_path / "peer.eim") == [])


def test_a_lost_model_is_opened_again(tmp_path: Path) -> None:
    once = tmp_path / "once"
    once.touch()
    bundle = described(write_eim(tmp_path / "peer.eim", "die", once=once))
    model = EimModel.open(bundle, timeout_s=5)
    with pytest.raises(WorkerLost):
        model.scores(LOUD)
    model = EimModel.open(bundle, timeout_s=5)
    assert model.scores(LOUD).tolist() == [0.5, 0.5]
    model.close()


def test_a_model_killed_between_two_windows_is_noticed_at_the_next(tmp_path: Path) -> None:
    model = EimModel.open(described(write_eim(tmp_path / "peer.eim")), timeout_s=30)
    (peer,) = [process for process in peers(tmp_path / "peer.eim") if "eim_worker" not in " ".join(process.cmdline())]
    peer.kill()
    with pytest.raises(WorkerLost, match="signal 9"):
        model.scores(LOUD)


def test_a_worker_killed_takes_its_model_with_it(tmp_path: Path) -> None:
    model = EimModel.open(described(write_eim(tmp_path / "peer.eim", "hang")), timeout_s=30)
    killer = threading.Timer(0.1, psutil.Process().children()[0].kill)
    killer.start()
    with pytest.raises(WorkerLost, match="its worker is gone"):
        model.scores(LOUD)
    until(lambda: peers(tmp_path / "peer.eim") == [])


@pytest.mark.parametrize("way", ["well", "hang"])
def test_worker_and_model_die_with_edged(tmp_path: Path, way: Way) -> None:
    script = (
        "import sys; sys.path.insert(0, sys.argv[2]); from pathlib import Path; import numpy as np\n"
        "from test_eim import *\n"
        "model = EimModel.open(described(Path(sys.argv[1])), timeout_s=60)\n"
        "print('up', flush=True); model.scores(LOUD)\n"
        "import time; time.sleep(60)\n"
    )
    eim = write_eim(tmp_path / "peer.eim", way, shm=False)
    command = [sys.executable, "-c", script, str(eim), str(Path(__file__).parent)]
    environment = os.environ | {"TMPDIR": str(tmp_path)}  # killed, it cannot remove its folder
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=environment) as parent:
        assert parent.stdout is not None
        assert parent.stdout.readline() == b"up\n"
        parent.kill()
    until(lambda: peers(eim) == [])


@pytest.mark.parametrize(
    ("hello", "key"), [({"sensor": 2}, "sensor"), ({"sensor": "camera"}, "sensor"), ({"frequency": 0}, "sensor")]
)
def test_a_model_that_does_not_hear_is_refused(tmp_path: Path, hello: dict[str, Any], key: str) -> None:
    with pytest.raises(ModelError, match="does not hear a microphone") as refusal:
        open_bundle(write_eim(tmp_path / "peer.eim", hello=hello))
    assert refusal.value.key == key


@pytest.mark.parametrize(
    "hello",
    [
        {"labels": []},
        {"labels": 7},
        {"labels": ["dog", ""]},
        {"input_features_count": 10**9},
        {"frequency": -1},
        {"frequency": math.inf},
    ],
)
def test_a_hello_that_makes_no_sense_is_garbage(tmp_path: Path, hello: dict[str, Any]) -> None:
    with pytest.raises(WorkerLost, match=r"hello is not understood|talks garbage|TypeError"):
        open_bundle(write_eim(tmp_path / "peer.eim", hello=hello))


def test_a_machine_without_a_descriptor_left_is_waited_for(tmp_path: Path) -> None:
    bundle = described(write_eim(tmp_path / "peer.eim"))
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (3, hard))
        with pytest.raises(WorkerLost, match=r"it cannot be started: too many open files"):
            open_model(bundle)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    open_model(bundle).close()


def test_another_model_under_the_same_path_is_refused(tmp_path: Path) -> None:
    bundle = described(write_eim(tmp_path / "peer.eim", hello={"labels": ["loud", "quiet", "dog"]}))
    with pytest.raises(ModelError, match="is another model"):
        open_model(bundle)


def test_a_model_that_cannot_be_run_is_the_users_to_mend(tmp_path: Path) -> None:
    eim = tmp_path / "peer.eim"
    with pytest.raises(ModelError, match="there is no such model"):
        open_bundle(eim)
    eim.write_bytes(b"\x7fELF")
    with pytest.raises(ModelError, match=r"not executable\. Run chmod \+x"):
        open_bundle(eim)
    eim.chmod(0o755)
    with pytest.raises(ModelError, match=r"no program that this machine can run\. Download the \.eim for Linux on "):
        open_bundle(eim)
    eim.write_text("#!/no/such/loader\n")
    with pytest.raises(ModelError, match="no program that this machine can run"):
        open_bundle(eim)


@given(
    messages=st.lists(st.tuples(st.sampled_from([FEATURES, HELLO, SCORES, BROKEN]), st.binary(max_size=200))),
    cut=st.integers(1, 50),
)
def test_frames_come_out_as_they_went_in_under_any_chunking(messages: list[tuple[bytes, bytes]], cut: int) -> None:
    data = b"".join(encode(kind, body) for kind, body in messages)
    decoder, came = Decoder(), []
    for start in range(0, len(data), cut):
        decoder.feed(data[start : start + cut])
        while (frame := decoder.next()) is not None:
            came.append((frame.kind, frame.body))
    assert came == messages


@given(st.binary(min_size=5, max_size=5))
def test_what_is_no_frame_is_refused_and_nothing_large_is_waited_for(header: bytes) -> None:
    decoder = Decoder()
    decoder.feed(header)
    known = header[:1] in (FEATURES, HELLO, SCORES, BROKEN)
    if known and int.from_bytes(header[1:], "little") <= MAX_BODY_BYTES:
        frame = decoder.next()
        assert frame is None or frame.body == b""
    else:
        with pytest.raises(GarbageError):
            decoder.next()
