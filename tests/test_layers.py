"""The shape of the house, read from its source: who imports whom, who alone speaks to a driver, what stays pure.

`complaints` looks at a folder of Python files as at the package `edged`, and says what is against the rules of
docs/ARCHITECTURE.md. The tables below are those rules; a new module needs a row in `MAY`.
"""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[1]
MAX_FILE_LINES = 400
MAX_FUNCTION_LINES = 50

BASE = "errors records "
ROAD = BASE + "audio classify decide features lane listener messages outbox pipeline trial "
SERVICE = ROAD + "clock config control hold mqtt plan report schemas station swap systemd verbs vitals watch "
MAY = {
    # What everybody may lean on.
    "__init__": "",
    "errors": "",
    "records": "",
    "clock": "",
    "hold": "errors",
    "mistakes": "errors",
    "outage": "",
    "progress": "errors",
    "shipped": "errors",
    "systemd": "errors",
    "vitals": "errors",
    "watch": "",
    "wholefile": "",
    # The config file.
    "password": "errors systemd",
    "table": "",
    "board_tables": "table",
    "tables": "board_tables table",
    "settings": "password",
    "validation": "errors board_tables mistakes settings table tables",
    "config": "errors settings validation",
    # The stages: none knows another, but that models have features.
    "audio": BASE,
    "features": BASE,
    "classify": BASE + "features mistakes shipped wholefile",
    "decide": BASE,
    "schemas": "records",
    "board_schemas": "mcu records schemas",
    "published": "board_schemas schemas",
    "writer": "records schemas",
    "board_messages": BASE + "board_schemas clock mcu schemas writer",
    "messages": BASE + "board_messages clock schemas writer",
    "inbox": BASE,
    "eventfile": BASE,
    "outbox": BASE + "eventfile inbox",
    "complaints": "errors",
    "connection": BASE + "complaints",
    "mqtt": BASE + "clock complaints connection messages outbox",
    "retained": BASE + "messages mqtt",
    "voice": BASE + "clock config messages mqtt outbox retained",
    "control": BASE,
    "installed": "errors classify",
    # The road, from the lane up.
    "lane": BASE + "audio classify decide features",
    "listener": BASE + "lane trial",
    "trial": BASE + "lane",
    "pipeline": BASE + "audio clock lane listener messages outbox",
    "replay": BASE + "audio classify lane",
    "reporter": ROAD + "clock",
    "nearmiss": BASE,
    "clipstore": BASE + "audio",
    "clips": BASE + "audio clipstore clock lane nearmiss outage schemas",
    "station": ROAD + "clips clock outage reporter",
    # Microcontrollers.
    "mcu": BASE + "clock decide outage outbox settings",
    # The root, and what it is made of.
    "plan": BASE + "audio classify config installed lane",
    "report": ROAD + "clips clock mcu mqtt schemas station vitals watch",
    "swap": ROAD + "clock installed plan station",
    "feeder": "systemd watch",
    "board_verbs": BASE + "control mcu messages",
    "board_loans": BASE + "control mcu",
    "verbs": ROAD + "board_loans board_verbs clock config control daemon plan report schemas station swap",
    "daemon": SERVICE + "clips feeder installed mcu voice",
    # What people type.
    "classifier": BASE + "audio classify config lane plan replay",
    "compiler": BASE + "classify features",
    "workshop": BASE + "audio classify compiler control decide features lane mistakes progress replay shipped "
    "wholefile",
    "commands": SERVICE + "mcu published classifier compiler daemon installed progress replay shipped voice wholefile "
    "workshop",
    "cli": "board_cli errors commands config workshop_cli",
    "board_cli": "",
    "workshop_cli": "",
    "__main__": "cli",
}
"""By module or package: what it may import of the others, at run time or for its annotations."""

SOLE_IMPORTERS = {
    "pyaudio": {"audio.capture"},
    "soxr": {"audio.resample"},
    "soundfile": {"audio.files"},
    "tflite_runtime": {"classify.runtime"},
    "ai_edge_litert": {"classify.runtime"},
    "edge_impulse_linux": {"classify.eim_worker"},
    "pymicro_features": {"features.micro"},
    "cbor2": {"mcu.body"},
    "serial": {"mcu.link"},
    "paho": {"connection"},
    "sqlite3": {"eventfile"},
    "systemd": {"systemd"},
    "rich": {"progress"},
    "tflite": {"compiler.model"},
    "matplotlib": {"workshop.pictures"},
    "tensorflow": {
        *("workshop.embedding", "workshop.quantise"),
        *("workshop.training", "workshop.windowed", "workshop.streaming"),
    },
    "keras": {"workshop.training", "workshop.windowed", "workshop.streaming"},
    "tomllib": {"validation", "workshop.boards", "workshop.recipe"},
    "pydantic": {
        *("table", "tables", "board_tables", "validation", "published"),
        *("workshop.boards", "workshop.recipe", "workshop.recipe_tables"),
    },
    "pydantic_core": {"table", "workshop.recipe_tables"},
}

PURE = re.compile(
    r"records|errors|decide|nearmiss|(board_)?messages|mistakes|outage|(board_)?schemas|watch|writer|features(\..*)?|audio\.(level|wire|ledger|pace)"
    r"|classify\.(eim_wire|flatbuffer)|control\.protocol|mcu\.(at|board|body|drivers\.said|forwarder|framing|group|health|judge|lines|secrets|smp|textline|ticks)|compiler\.(?!compiled|golden)\w+|workshop\.(arena|cost|graph|metrics|operators|poisson|snr)"
)
IMPURE = {"asyncio", "logging", "multiprocessing", "selectors", "socket", "subprocess", "threading", "time"}
LONG = {"cli._parser"}
"""A command line is a table, and a table is read from top to bottom."""
CATCHES_ALL = {"Exception", "BaseException"}


@dataclass(frozen=True, slots=True)
class Import:
    """One import, wherever it stands."""

    name: str
    line: int
    at_run_time: bool


@dataclass(frozen=True, slots=True)
class Module:
    """One file of the package; its name is dotted, without the package's own."""

    name: str
    file: Path
    tree: ast.Module
    lines: int

    @property
    def unit(self) -> str:
        return self.name.partition(".")[0]


def read(package: Path) -> dict[str, Module]:
    """Every module of the package, by its dotted name; a package is its `__init__`, under the folder's name."""
    found = {}
    for file in sorted(package.rglob("*.py")):
        parts = file.relative_to(package).with_suffix("").parts
        name = ".".join(parts[:-1] if parts[-1] == "__init__" and len(parts) > 1 else parts)
        text = file.read_text(encoding="utf-8")
        found[name] = Module(name, file, ast.parse(text), text.count("\n"))
    return found


def imports(module: Module, package: str, known: set[str]) -> Iterator[Import]:
    """What a module imports, inside functions too; a name that is a module counts as that module."""
    for node, at_run_time in nodes(module.tree, at_run_time=True):
        match node:
            case ast.Import(names=names):
                found = [alias.name for alias in names]
            case ast.ImportFrom(module=source, names=names, level=0):
                inner = {f"{source}.{alias.name}" for alias in names}
                found = sorted(name if name.removeprefix(f"{package}.") in known else str(source) for name in inner)
            case ast.ImportFrom(lineno=line):
                found = [f"a relative import in line {line}"]
            case ast.Call(func=called, args=[ast.Constant(value=str(name)), *_]) if names_an_import(called):
                found = [name]
            case _:
                continue
        yield from (Import(name, node.lineno, at_run_time) for name in dict.fromkeys(found))


def names_an_import(called: ast.expr) -> bool:
    return ast.unparse(called).rpartition(".")[2] in {"import_module", "__import__"}


def nodes(node: ast.AST, *, at_run_time: bool) -> Iterator[tuple[ast.AST, bool]]:
    """Every node, and whether it is more than a matter of annotations."""
    yield node, at_run_time
    typing_only = isinstance(node, ast.If) and ast.unparse(node.test) in {"TYPE_CHECKING", "typing.TYPE_CHECKING"}
    for name, value in ast.iter_fields(node):
        for child in value if isinstance(value, list) else [value]:
            if isinstance(child, ast.AST):
                yield from nodes(child, at_run_time=at_run_time and not (typing_only and name == "body"))


def complaints(package: Path) -> list[str]:
    """Everything in this package that is against the rules, a line each."""
    modules = read(package)
    found: list[str] = []
    edges: dict[str, set[str]] = {}
    for module in modules.values():
        inner = set()
        for each in imports(module, package.name, set(modules)):
            place = f"{module.name}:{each.line}"
            top, _, rest = each.name.partition(".")
            if top == package.name:
                target = rest or "__init__"
                found += [f"{place}: {word}" for word in against_layers(module, target, at_run_time=each.at_run_time)]
                inner |= {target} if each.at_run_time and target in modules else set()
            elif each.at_run_time:
                found += [f"{place}: {word}" for word in against_drivers(module, top)]
        edges[module.name] = inner - {module.name}
        found += [f"{module.name}{word}" for word in against_style(module)]
    try:
        TopologicalSorter(edges).prepare()
    except CycleError as error:
        found.append(f"a cycle: {' → '.join(reversed(error.args[1]))}")
    return found


def against_layers(module: Module, target: str, *, at_run_time: bool) -> Iterator[str]:
    unit = target.partition(".")[0]
    if module.unit not in MAY:
        yield f"{module.unit} has no row in MAY"
    elif unit not in {module.unit, "__init__", *MAY[module.unit].split()}:
        yield f"{module.unit} may not import {unit}"
    if PURE.fullmatch(module.name) and at_run_time and target != "__init__" and not PURE.fullmatch(target):
        yield f"is pure and imports {target}, which is not"


def against_drivers(module: Module, top: str) -> Iterator[str]:
    if module.name not in SOLE_IMPORTERS.get(top, {module.name}):
        yield f"{top} is for {', '.join(sorted(SOLE_IMPORTERS[top]))} alone"
    if PURE.fullmatch(module.name) and top in IMPURE:
        yield f"is pure and imports {top}"
    if top.startswith("a relative import"):
        yield "imports are absolute"


def against_style(module: Module) -> Iterator[str]:
    if module.lines > MAX_FILE_LINES:
        yield f": {module.lines} lines are more than {MAX_FILE_LINES}"
    if {"utils", "helpers", "common", "misc"} & set(module.name.split(".")):
        yield ": name it for what it does"
    for node in ast.walk(module.tree):
        match node:
            case ast.FunctionDef() | ast.AsyncFunctionDef() if f"{module.name}.{node.name}" not in LONG:
                if body_lines(node) > MAX_FUNCTION_LINES:
                    yield f":{node.lineno}: {node.name} has more than {MAX_FUNCTION_LINES} lines"
            case ast.ExceptHandler() if module.name != "daemon" and catches_all(node.type) and not raises_again(node):
                yield f":{node.lineno}: catches everything"
            case ast.Call(func=ast.Attribute(attr="suppress") | ast.Name(id="suppress"), args=args):
                if any(catches_all(arg) for arg in args):
                    yield f":{node.lineno}: suppresses everything"


def body_lines(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Lines of what it does, without its signature and its docstring."""
    body = function.body[1:] if ast.get_docstring(function) else function.body
    return (body[-1].end_lineno or 0) - body[0].lineno + 1 if body else 0


def catches_all(kind: ast.expr | None) -> bool:
    match kind:
        case None:
            return True
        case ast.Tuple(elts=kinds):
            return any(catches_all(each) for each in kinds)
    return ast.unparse(kind).removeprefix("builtins.") in CATCHES_ALL


def raises_again(handler: ast.ExceptHandler) -> bool:
    """Whether it only cleans up on the way out."""
    last = handler.body[-1]
    return isinstance(last, ast.Raise) and last.exc is None


# The house as it stands.


def test_the_house_keeps_its_rules() -> None:
    assert complaints(ROOT / "edged") == []


def test_every_row_of_the_tables_is_about_something_there() -> None:
    modules = read(ROOT / "edged")
    units = {module.unit for module in modules.values()}
    assert set(MAY) <= units
    assert {name for row in MAY.values() for name in row.split()} <= set(MAY)
    assert {name for row in SOLE_IMPORTERS.values() for name in row} <= set(modules)


def test_the_table_of_layers_is_itself_without_a_cycle() -> None:
    rows = {unit: set(row.split()) - ({"daemon"} if unit == "verbs" else set()) for unit, row in MAY.items()}
    TopologicalSorter(rows).prepare()  # but for verbs, which names the daemon in its annotations


def test_the_page_names_each_driver_and_its_importers() -> None:
    page = re.sub(r"\s+", " ", (ROOT / "docs" / "ARCHITECTURE.md").read_text(encoding="utf-8"))
    for driver, importers in SOLE_IMPORTERS.items():
        assert driver in page
        for importer in importers:
            assert f"`{importer.replace('.', '/')}.py`" in page, importer


def test_the_units_folder_shadows_no_package() -> None:
    assert not list((ROOT / "systemd").glob("*.py"))


# The rules can be broken, and are then complained about.


@pytest.fixture
def house(tmp_path: Path) -> Path:
    """A small package that keeps the rules."""
    package = tmp_path / "edged"
    build(package, "__init__", '__version__ = "1"\n')
    build(package, "errors", "")
    build(package, "decide", "from edged import errors\nfrom edged.errors import X\n")
    build(package, "audio/__init__", "")
    build(package, "audio/capture", "import pyaudio\nimport time\nfrom edged.audio import wire\n")
    build(package, "audio/wire", "import struct\n")
    build(package, "daemon", "try:\n    import edged.decide\nexcept Exception:\n    pass\n")
    assert complaints(package) == []
    return package


def build(package: Path, name: str, text: str) -> None:
    file = package / f"{name}.py"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)


@pytest.mark.parametrize(
    ("name", "text", "complaint"),
    [
        ("decide", "import edged.daemon\n", "decide:1: decide may not import daemon"),
        ("decide", "from edged import daemon\n", "decide:1: decide may not import daemon"),
        ("decide", "def f():\n    from edged.audio.wire import x\n", "decide:2: decide may not import audio"),
        ("decide", "if TYPE_CHECKING:\n    from edged.daemon import X\n", "decide:2: decide may not import daemon"),
        ("decide", "import_module('edged.audio')\n", "decide:1: decide may not import audio"),
        ("decide", "from . import errors\n", "decide:1: imports are absolute"),
        ("outbox", "import edged.mqtt\n", "outbox:1: outbox may not import mqtt"),
        ("newcomer", "import edged.errors\n", "newcomer:1: newcomer has no row in MAY"),
        ("audio/wire", "from edged.audio import capture\n", "a cycle: audio.capture → audio.wire → audio.capture"),
        ("audio/wire", "import edged.audio.capture\n", "audio.wire:1: is pure and imports audio.capture, which is not"),
        ("audio/files", "from pyaudio import PyAudio\n", "audio.files:1: pyaudio is for audio.capture alone"),
        ("audio/files", "def f():\n    import soxr.x\n", "audio.files:2: soxr is for audio.resample alone"),
        ("outbox", "importlib.import_module('sqlite3')\n", "outbox:1: sqlite3 is for eventfile alone"),
        ("decide", "import asyncio\n", "decide:1: is pure and imports asyncio"),
        ("features/micro", "from time import monotonic\n", "features.micro:1: is pure and imports time"),
        ("control/protocol", "import logging\n", "control.protocol:1: is pure and imports logging"),
        ("errors", "\n" * 401, "errors: 401 lines are more than 400"),
        ("errors", "def f():\n" + "    x\n" * 51, "errors:1: f has more than 50 lines"),
        ("audio/utils", "", "audio.utils: name it for what it does"),
        ("decide", "try:\n    x\nexcept Exception:\n    pass\n", "decide:3: catches everything"),
        ("decide", "try:\n    x\nexcept (OSError, BaseException):\n    pass\n", "decide:3: catches everything"),
        ("decide", "try:\n    x\nexcept:\n    pass\n", "decide:3: catches everything"),
        ("decide", "with contextlib.suppress(Exception):\n    x\n", "decide:1: suppresses everything"),
    ],
)
def test_a_broken_rule_is_complained_about(house: Path, name: str, text: str, complaint: str) -> None:
    build(house, name, text)
    assert complaint in complaints(house)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("audio/files", "if TYPE_CHECKING:\n    import pyaudio\n"),
        ("audio/wire", "if TYPE_CHECKING:\n    import edged.audio.capture\n    import asyncio\n"),
        ("decide", "from edged import __version__\n"),
        ("decide", "try:\n    x\nexcept BaseException:\n    y\n    raise\n"),
        ("decide", "try:\n    x\nexcept OSError:\n    pass\n"),
        ("errors", "def f():\n" + "    x\n" * 50),
    ],
)
def test_what_is_allowed_is_not(house: Path, name: str, text: str) -> None:
    build(house, name, text)
    assert complaints(house) == []
