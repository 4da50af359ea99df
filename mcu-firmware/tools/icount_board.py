"""Images for QEMU's mps2-an386, built of the firmware's C and run under the counting plugin."""

from __future__ import annotations

import shutil
import statistics
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from icount_cycles import hot, instructions_of, read_code, read_runs

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Sequence

    from icount_cycles import Code

FIRMWARE: Final = Path(__file__).resolve().parent.parent
BOARD: Final = FIRMWARE / "boards" / "mps2"
CROSS: Final = "arm-none-eabi-"
NEEDED: Final = (f"{CROSS}gcc", "qemu-system-arm", "gcc")
TICK_INSTRUCTIONS: Final = 40
"""SysTick counts at 25 MHz, and -icount shift=0 gives each instruction a nanosecond."""
ARCH: Final = ("-mcpu=cortex-m4", "-mthumb", "-mfloat-abi=soft")
OPT: Final = ("-std=c11", "-O2", "-ffunction-sections", "-fdata-sections")
WARN: Final = ("-Wall", "-Wextra", "-Werror", "-Wconversion", "-Wmissing-prototypes", "-Wshadow")
LINK: Final = ("-nostartfiles", "-nodefaultlibs", "-T", str(BOARD / "mps2.ld"), "-Wl,--gc-sections")
LIBS: Final = ("-lc", "-lgcc")
"""Of newlib, memcpy and its like: those of the nano variant go byte by byte."""


class BenchError(Exception):
    """The bench could not be built or run; the words say why."""


@dataclass(frozen=True, slots=True)
class Counted:
    """What one image did."""

    said: dict[str, int]
    """Each name that it said, with its last value."""
    instructions: list[int]
    """Of each run."""
    cycles: list[int]
    """Modelled, of each run."""
    ticks: list[int]
    """Of each run, by SysTick."""
    flash: int
    """Bytes of code, constants and initialised data, without what is measured."""
    hot: Counter[str]
    """Instructions by function, of all runs."""

    @property
    def first(self) -> int:
        """Instructions of the first run."""
        return self.instructions[0]

    @property
    def mean(self) -> int:
        """Instructions of a run, on average."""
        return round(statistics.mean(self.instructions))

    @property
    def mean_cycles(self) -> int:
        """Modelled cycles of a run, on average."""
        return round(statistics.mean(self.cycles))


def missing() -> list[str]:
    """The tools that are not installed."""
    return [tool for tool in NEEDED if shutil.which(tool) is None]


def count(name: str, *, bench: str, parts: Sequence[str], given: bytes, options: Sequence[str] = ()) -> Counted:
    """Build `bench` of boards/mps2 with these parts of the firmware and with what it measures; run it, and count.

    Args:
        name: Of the files that it makes in build/icount.
        bench: The file with its main.
        parts: Folders of the firmware.
        given: A plan, or samples.
        options: For the compiler, besides ours.

    Raises:
        BenchError: It does not compile, or it failed.
    """
    made = FIRMWARE / "build" / "icount"
    made.mkdir(parents=True, exist_ok=True)
    image, given_file, counts = (made / f"{name}.{suffix}" for suffix in ("elf", "bin", "counts"))
    given_file.write_bytes(given)
    sources = [BOARD / "start.c", BOARD / bench, BOARD / "input.S", *_sources(parts)]
    _tool(f"{CROSS}gcc", *ARCH, *OPT, *WARN, *options, f'-DINPUT="{given_file}"', *sources, *LINK, *LIBS, "-o", image)
    said = _emulated(image, counts)
    code = read_code(_tool(f"{CROSS}objdump", "-d", "--no-show-raw-insn", image), _tool(f"{CROSS}nm", "-n", image))
    return _counted(said, counts.read_text(), code, _flash(image))


def _sources(parts: Sequence[str]) -> list[Path]:
    return [source for part in parts for source in sorted((FIRMWARE / part).glob("*.c"))]


def _emulated(image: Path, counts: Path) -> str:
    marks = {name: address for address, _, name in map(str.split, _tool(f"{CROSS}nm", image).splitlines())}
    plugin = f"{_plugin()},begin={marks['bench_begin']},end={marks['bench_end']},out={counts}"
    return _tool(
        "qemu-system-arm", "-M", "mps2-an386", "-display", "none", "-monitor", "none", "-serial", "none",
        "-chardev", "stdio,id=said", "-semihosting-config", "enable=on,target=native,chardev=said",
        "-icount", "shift=0", "-plugin", plugin, "-kernel", image,
    )  # fmt: skip


def _plugin() -> Path:
    source, built = FIRMWARE / "tools" / "icount.c", FIRMWARE / "build" / "icount" / "icount.so"
    if not built.exists() or built.stat().st_mtime < source.stat().st_mtime:
        _tool("gcc", "-std=c11", "-O2", *WARN, "-shared", "-fPIC", source, "-o", built)
    return built


def _flash(image: Path) -> int:
    lines = map(str.split, _tool(f"{CROSS}size", "-A", image).splitlines())
    sections = {line[0]: int(line[1]) for line in lines if len(line) > 1 and line[1].isdigit()}
    return sections[".text"] + sections.get(".data", 0)


def _counted(said: str, counts: str, code: Code, flash: int) -> Counted:
    lines = [line.split() for line in said.splitlines()]
    runs = read_runs(counts)
    return Counted(
        said={name: int(value) for name, value in lines},
        instructions=[instructions_of(run) for run in runs],
        cycles=[sum(map(code.cycles_of, run)) for run in runs],
        ticks=[int(value) for name, value in lines if name == "ticks"],
        flash=flash,
        hot=hot(runs, code),
    )


def _tool(*command: str | Path) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=600)
    if done.returncode:
        raise BenchError(f"{command[0]} gave up ({done.returncode}):\n{done.stderr or done.stdout}")
    return done.stdout
