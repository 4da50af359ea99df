"""microWakeWord's okay_nabu, which is some model for most tests: a package brings it, of which nothing is imported."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

from edged.classify.bundle import Bundle, open_bundle


def _models() -> Path:
    package = find_spec("pymicro_wakeword")  # found, not imported: it would load a TensorFlow of its own
    assert package is not None, "make setup"
    assert package.origin is not None
    return Path(package.origin).parent / "models"


NABU_PATH = _models() / "okay_nabu.json"
"""Beside it are its .tflite, and alexa, hey_jarvis and hey_mycroft."""


def nabu() -> Bundle:
    """Open it."""
    return open_bundle(NABU_PATH)
