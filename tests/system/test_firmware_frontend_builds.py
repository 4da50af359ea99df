"""The front end says the same however it is built: 32 bits, clang, sanitizers."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import numpy as np
import pytest
import soundfile
from firmware import FIRMWARE
from micro_board import gateway

if TYPE_CHECKING:
    from pathlib import Path

    from edged.records import Pcm

pytestmark = pytest.mark.slow

SECONDS = 16_000
SOURCES = sorted((FIRMWARE / "frontend").glob("*.c"))
STRICT = [
    "-std=c11",
    "-Wall",
    "-Wextra",
    "-Werror",
    "-Wconversion",
    "-fsanitize=undefined",
    "-fno-sanitize-recover=all",
]
WAYS = {
    "gcc, 32 bits": ["gcc", "-m32", "-O2", *STRICT],
    "gcc, addresses": ["gcc", "-O1", *STRICT, "-fsanitize=address"],
    "clang": ["clang", "-O3", *STRICT],
    "clang, addresses": ["clang", "-O1", *STRICT, "-fsanitize=address"],
}

HEAR = """
#include <stdio.h>
#include "frontend.h"

int main(void)
{
    static struct frontend frontend;
    int16_t samples[333];
    uint16_t features[FRONTEND_CHANNELS];
    size_t count;
    frontend_reset(&frontend);
    while ((count = fread(samples, sizeof *samples, 333, stdin)) > 0) {
        for (size_t at = 0; at < count;) {
            int complete;
            at += frontend_push(&frontend, samples + at, count - at, features, &complete);
            if (complete) {
                fwrite(features, sizeof *features, FRONTEND_CHANNELS, stdout);
            }
        }
    }
    return 0;
}
"""


def sound(shared: Path) -> Pcm:
    """Words, noise from silence to clipping, and square waves."""
    words = [soundfile.read(path, dtype="int16")[0] for path in sorted((shared / "models" / "wav").glob("*.wav"))]
    swell = np.random.default_rng(1).standard_normal(20 * SECONDS) * np.geomspace(0.3, 90_000, 20 * SECONDS)
    squares = [np.where(np.arange(SECONDS) % period < period / 2, 32767, -32768) for period in (2, 7, 16, 100)]
    together: Pcm = np.concatenate([*words, np.clip(swell, -32768, 32767), *squares]).astype(np.int16)
    return together


@pytest.mark.shared
@pytest.mark.parametrize("way", WAYS)
def test_every_build_hears_the_same(way: str, tmp_path: Path, shared: Path) -> None:
    (tmp_path / "hear.c").write_text(HEAR)
    built = tmp_path / "hear"
    command: list[str | Path] = [*WAYS[way], "-I", FIRMWARE / "frontend", tmp_path / "hear.c", *SOURCES, "-o", built]
    subprocess.run(command, check=True, timeout=120)
    samples = sound(shared)
    heard = subprocess.run([built], input=samples.tobytes(), capture_output=True, check=True, timeout=120).stdout
    expected = gateway(samples)
    assert len(expected) > 2000
    np.testing.assert_array_equal(np.frombuffer(heard, dtype=np.uint16).reshape(-1, 40), expected)
