"""The two TensorFlow Lite libraries behind one door, and what each refuses."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import get_args

import numpy as np
import pytest
from nabu import nabu
from spoken import nabu_features

from edged.classify import runtime
from edged.classify.runtime import Kernels, Library, check_numpy, choose, installed, open_interpreter
from edged.errors import ModelError, UserError

MODEL = nabu().model
HERE = Path("okay_nabu.tflite")


def test_tflite_runtime_is_chosen_where_it_exists() -> None:
    assert choose() == installed()[0]
    assert ("tflite-runtime" in installed()) == (sys.version_info < (3, 12))
    if "tflite-runtime" in installed():
        assert choose() == "tflite-runtime"


def test_without_any_library_the_user_is_told_which_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runtime, "PACKAGES", {"tflite-runtime": "no_such_package"})
    with pytest.raises(UserError, match=r"no TensorFlow Lite runtime is installed\. Install tflite-runtime"):
        choose()


@pytest.mark.parametrize("library", installed())
@pytest.mark.parametrize("kernels", get_args(Kernels))
def test_every_library_runs_a_model_on_either_kernels(library: Library, kernels: Kernels) -> None:
    interpreter = open_interpreter(MODEL, library=library, kernels=kernels, file=HERE)
    (takes,), (gives,) = interpreter.get_input_details(), interpreter.get_output_details()
    interpreter.set_tensor(takes["index"], np.zeros(takes["shape"], dtype=takes["dtype"]))
    interpreter.invoke()
    assert interpreter.get_tensor(gives["index"]).shape == (1, 1)


def test_reference_kernels_give_the_same_bytes_in_every_library() -> None:
    frames = nabu_features()[: len(nabu_features()) // 3 * 3].reshape(-1, 1, 3, 40)
    windows = np.rint(frames / 0.10196078568696976 - 128).astype(np.int8)
    answers = []
    for library in installed():
        interpreter = open_interpreter(MODEL, library=library, kernels="reference", file=HERE)
        (takes,), (gives,) = interpreter.get_input_details(), interpreter.get_output_details()
        answers.append(b"")
        for window in windows:
            interpreter.set_tensor(takes["index"], window)
            interpreter.invoke()
            answers[-1] += interpreter.get_tensor(gives["index"]).tobytes()
    assert len(set(answers)) == 1
    assert len(set(answers[0])) > 1, "a model that always says the same proves nothing"


@pytest.mark.parametrize("library", installed())
def test_what_the_library_refuses_names_the_file(library: Library) -> None:
    with pytest.raises(ModelError, match=rf"okay_nabu.tflite: {library} refuses this model"):
        open_interpreter(b"\x1c\0\0\0nope" + bytes(64), library=library, kernels="default", file=HERE)


def test_tflite_runtime_beside_numpy_2_is_refused_before_it_half_works() -> None:
    check_numpy("tflite-runtime", version="1.26.4")
    check_numpy("litert", version="2.3.0")
    with pytest.raises(UserError, match="does not work with NumPy") as refusal:
        check_numpy("tflite-runtime", version="2.0.0")
    assert refusal.value.key == "runtime.library"
    assert "numpy<2" in str(refusal.value)


def test_a_library_that_is_not_there_is_named_with_those_that_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ai_edge_litert", None)  # what Python itself keeps for a module that cannot be had
    with pytest.raises(UserError, match=r"runtime\.library = 'litert': cannot be loaded") as refusal:
        open_interpreter(MODEL, library="litert", kernels="default", file=HERE)
    assert "tflite-runtime" in str(refusal.value) or "none" in str(refusal.value)


def test_describing_a_model_loads_neither_library_nor_pydantic() -> None:
    script = (
        "import sys; from edged.classify.bundle import default_model; import edged.classify.model; default_model()\n"
        "print([name for name in ('tflite_runtime', 'ai_edge_litert', 'pydantic') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
