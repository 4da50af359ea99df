"""Writes what the fuzzers of plans begin with: small plans of every operator, and their networks alone.

    tools/fuzz_seeds.py FOLDER

Makes FOLDER/fuzz_nn_open and FOLDER/fuzz_nn_run. Drawn by tests/single_op.py, compiled by edged.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

from planned import compiled, section_at, section_bytes  # noqa: E402 - found by the line above
from single_op import KINDS  # noqa: E402 - likewise

TRIALS = 8


def main(folder: Path) -> int:
    """Write them."""
    for target in ("fuzz_nn_open", "fuzz_nn_run"):
        (folder / target).mkdir(parents=True, exist_ok=True)
    for operator, make in KINDS.items():
        made = [compiled(make(np.random.default_rng([7, trial]))) for trial in range(TRIALS)]
        for number, data in enumerate(sorted(made, key=len)[: TRIALS // 2]):
            name = f"{operator}-{number}"
            at = section_at(data, b"NETW")
            (folder / "fuzz_nn_open" / name).write_bytes(data)
            (folder / "fuzz_nn_run" / name).write_bytes(data[at : at + section_bytes(data, b"NETW")])
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
