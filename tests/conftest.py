"""What every test may ask for."""

from __future__ import annotations

import os
import signal
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, settings
from speech import spoken

if TYPE_CHECKING:
    from collections.abc import Generator

# No test may fail because the machine is busy; and CI must see the same examples in every run.
settings.register_profile(
    "edged", deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=bool(os.environ.get("CI"))
)
settings.load_profile("edged")

# Where the tests are started in the background SIGINT is ignored, and programs that they start would never hear it.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

SHARED = Path(__file__).resolve().parents[2] / "shared"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip tests whose shared recordings or TensorFlow are not here; in CI their absence is a failure instead."""
    if os.environ.get("CI"):
        return
    absent = {}
    if not SHARED.is_dir():
        absent["shared"] = "needs the project's shared recordings, which are not beside this clone"
    if find_spec("tensorflow") is None:
        absent["train"] = "needs TensorFlow: make setup-train"
    for item in items:
        for marker, reason in absent.items():
            if item.get_closest_marker(marker):
                item.add_marker(pytest.mark.skip(reason=reason))


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of shared recordings and models; mark the test `shared` as well."""
    assert SHARED.is_dir(), f"CI must have the shared recordings at {SHARED}"
    return SHARED


@pytest.fixture(scope="session")
def okay_nabu(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A recording, 22,050 Hz, in which "okay nabu" is said twice: about 2 s and 4.5 s from its beginning."""
    path = tmp_path_factory.mktemp("speech") / "okay nabu.wav"
    return spoken(path, [("okay nabu", "en-us"), ("okay nabu", "en-gb")])


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """In CI a test that skips has failed: whatever it missed should have been there."""
    del call
    report = yield
    if report.skipped and os.environ.get("CI") and not item.get_closest_marker("opt_in"):
        report.outcome = "failed"
        report.longrepr = f"skipped in CI: {report.longrepr}"
    return report
