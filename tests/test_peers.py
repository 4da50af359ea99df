"""edged beside pymicro-wakeword: the same models on the same audio fire at the same samples.

`packaging/compare_peers.py` runs both, each in a process of its own, edged by `edged replay --json`; it also explains
where and why TensorFlow Lite libraries differ. With kernels of the same arithmetic there is no exception, on any
stream. With others a few activations come a stride earlier or later; they are listed.
"""

from __future__ import annotations

import json
import platform
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from nabu import NABU_PATH
from speech import say, write_wav
from spoken import nabu_features

from edged.audio.resample import Converter
from edged.classify.runtime import installed

COMPARE = Path(__file__).parents[1] / "packaging" / "compare_peers.py"
PEER = "pymicro-wakeword"
TFLITE_RUNTIME = "tflite-runtime"
REFERENCE = "litert reference"
XNNPACK = "litert"
NO_XNNPACK = "litert, no XNNPACK"
STRIDE_S = 0.03

pytestmark = [
    pytest.mark.skipif(
        platform.machine() != "x86_64", reason="which kernels round alike was measured on x86-64, and is other on ARM"
    ),
    pytest.mark.skipif("litert" not in installed(), reason="compares LiteRT's kernels too"),
]


def compare(folder: Path, *options: str) -> dict[str, Any]:
    """Run the comparison; "at_s" holds everybody's activations, "differs" pairs of (theirs, edged's)."""
    command = [sys.executable, str(COMPARE), str(folder), "--json", *options]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def plain(found: dict[str, Any]) -> list[str]:
    """Who of edged's libraries rounds as TensorFlow's reference kernels do."""
    return [who for who in (TFLITE_RUNTIME, REFERENCE) if who in found["at_s"]]


def tell(found: dict[str, Any], capsys: pytest.CaptureFixture[str]) -> None:
    with capsys.disabled():
        for who, pairs in found["differs"].items():
            shifts = ", ".join(f"{theirs} → {ours}" for theirs, ours in pairs)
            sys.stdout.write(f"\n  {len(found['at_s'][PEER])} activations of {PEER}, of edged with {who} ")
            sys.stdout.write(f"{len(found['at_s'][who])}, {len(pairs)} elsewhere{': ' if pairs else ''}{shifts}")


@pytest.fixture(scope="module")
def led_in(shared: Path) -> dict[str, Any]:
    """Each recording of "alexa" after a second of silence."""
    return compare(shared / "data/wakewords/alexa", "--gaps", "before")


@pytest.mark.shared
def test_230_of_240_recordings_fire_at_identical_samples(
    led_in: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    tell(led_in, capsys)
    heard = led_in["at_s"]
    assert led_in["recordings"] == 240
    assert len(heard[PEER]) == 230
    for who in (*plain(led_in), NO_XNNPACK):
        assert heard[who] == heard[PEER], who


@pytest.mark.shared
def test_litert_s_own_kernels_shift_few_activations_by_one_stride(led_in: dict[str, Any]) -> None:
    pairs = led_in["differs"][XNNPACK]
    assert len(led_in["at_s"][XNNPACK]) == 230
    assert len(pairs) <= 10
    assert all(abs(theirs - ours) == pytest.approx(STRIDE_S) for theirs, ours in pairs)


@pytest.mark.shared
@pytest.mark.slow
def test_another_stream_differs_only_where_the_arithmetic_does(
    shared: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = compare(shared / "data/wakewords/alexa", "--gaps", "after")
    tell(found, capsys)
    heard = found["at_s"]
    assert len(heard[PEER]) == 231
    assert heard[NO_XNNPACK] == heard[PEER]
    assert all(heard[who] == heard[REFERENCE] for who in plain(found))
    for who in (*plain(found), XNNPACK):
        assert len(found["differs"][who]) <= 10
        assert all(abs(theirs - ours) == pytest.approx(STRIDE_S) for theirs, ours in found["differs"][who])


@pytest.mark.skipif(shutil.which("espeak-ng") is None, reason="needs espeak-ng")
def test_made_speech_fires_at_identical_samples_where_the_arithmetic_is_the_same(tmp_path: Path) -> None:
    folder = tmp_path / "said"
    folder.mkdir()
    for number, voice in enumerate(["en-us", "en-gb", "en-us+m3", "en-gb+m1", "en-us+m7", "en-gb+m4"] * 2):
        words = "okay nabu" if number % 4 else "okay nabu, okay nabu"
        said = say(words, voice=voice, folder=tmp_path)
        converter = Converter(22050, 1, 16_000)
        heard = np.concatenate([converter.push(said[:, None]), converter.flush()])
        write_wav(folder / f"{number:02}.wav", heard, rate_hz=16_000)
    found = compare(folder, "--model", "okay_nabu")
    heard_s = found["at_s"]
    assert len(heard_s[PEER]) >= 6
    assert heard_s[NO_XNNPACK] == heard_s[PEER]
    assert all(heard_s[who] == heard_s[REFERENCE] for who in plain(found))


def test_the_kernels_differ_in_depthwise_convolution_alone_and_by_one_step() -> None:
    from ai_edge_litert import interpreter as litert  # noqa: PLC0415 - only where it is installed

    model = NABU_PATH.with_suffix(".tflite").read_bytes()
    both = [
        litert.Interpreter(
            model_content=model,
            num_threads=1,
            experimental_op_resolver_type=kernels,
            experimental_preserve_all_tensors=True,
        )
        for kernels in (
            litert.OpResolverType.BUILTIN_REF,
            litert.OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
        )
    ]
    for one in both:
        one.allocate_tensors()
    (takes,) = both[0].get_input_details()
    scale, zero = takes["quantization"]
    frames = nabu_features()[: len(nabu_features()) // 3 * 3].astype(np.float64)
    windows = np.clip(np.rint(frames / scale + zero), -128, 127).astype(np.int8).reshape(-1, 1, 3, 40)
    differing, steps = set(), set()
    for window in windows:
        for one in both:
            one.set_tensor(takes["index"], window)
            one.invoke()
        for op, step in steps_of(*both):
            differing.add(op)
            steps.add(step)
    assert differing == {"DEPTHWISE_CONV_2D"}
    assert steps == {1}


def steps_of(reference: Any, optimised: Any) -> list[tuple[str, int]]:
    """Operators that gave other numbers for the same inputs in the last invoke, and each step between the two."""
    values = {"VAR_HANDLE", "READ_VARIABLE", "ASSIGN_VARIABLE", "CALL_ONCE"}  # state is not arithmetic
    tensor = {
        details["index"]: [one.get_tensor(details["index"]).astype(np.int64) for one in (reference, optimised)]
        for details in reference.get_tensor_details()
        if np.issubdtype(details["dtype"], np.integer) and details["shape"].size
    }
    found = []
    for op in reference._get_ops_details():
        if op["op_name"] in values or any((a != b).any() for a, b in (tensor[i] for i in op["inputs"] if i in tensor)):
            continue
        for a, b in (tensor[i] for i in op["outputs"] if i in tensor):
            found += [(op["op_name"], int(step)) for step in (b - a)[a != b]]
    return found
