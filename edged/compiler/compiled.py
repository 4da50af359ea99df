"""A model becomes a plan: from what the user named to the bytes for a board."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from edged.classify.archive import read_file
from edged.classify.bundle import open_bundle
from edged.classify.fit import outline_of
from edged.classify.flatbuffer import MAX_MODEL_BYTES
from edged.classify.labels import slug
from edged.classify.runtime import choose
from edged.compiler.blob import Network, Plan, Port, write_plan
from edged.compiler.golden import make_golden
from edged.compiler.hearing import decisions_of, front_end_of, why_not
from edged.compiler.lower import lower
from edged.compiler.model import read_model
from edged.compiler.records import macs
from edged.compiler.sections import Names
from edged.compiler.work import check_work, golden_windows
from edged.errors import ModelError

if TYPE_CHECKING:
    from pathlib import Path

    from edged.classify.bundle import Bundle
    from edged.classify.runtime import Library
    from edged.compiler.lower import Program
    from edged.compiler.model import Graph


@dataclass(frozen=True, slots=True)
class Source:
    """A model to compile."""

    path: Path
    model: bytes
    bundle: Bundle | None = None
    """None of a bare `.tflite`: nothing says how it hears."""


@dataclass(frozen=True, slots=True)
class Compiled:
    """A model, compiled."""

    source: Source
    graph: Graph
    program: Program
    plan: Plan
    data: bytes
    """The file."""
    network_only: str
    """Why the plan says nothing of hearing and deciding, as a clause; empty where it does."""


def read_source(path: Path) -> Source:
    """Open what the user named: a bare `.tflite`, a bundle, or microWakeWord's `.json`.

    Raises:
        ModelError: It is missing, damaged, or no `.tflite` at all.
    """
    match path.suffix:
        case ".tflite":
            data = read_file(path, limit=MAX_MODEL_BYTES)
            outline_of(data, file=path)
            return Source(path, data)
        case ".eim":
            way_out = "Export the model as TensorFlow Lite in Edge Impulse's studio, and name that .tflite"
            raise ModelError("is a program, and cannot be compiled", file=path, way_out=way_out)
    bundle = open_bundle(path)
    return Source(path, bundle.model, bundle)


def compile_model(source: Source, *, library: Library | None = None) -> Compiled:
    """Compile it.

    Args:
        source: The model.
        library: Whose reference kernels the plan shall equal, bit for bit; None for the one that the gateway runs here.
            They differ in how FULLY_CONNECTED rounds.

    Raises:
        ModelError: Boards could not run it; it says what about which operator.
        UserError: The library is not installed.
    """
    try:
        return _compiled(source, library or choose())
    except ModelError as wrong:
        if wrong.file is not None:
            raise
        raise ModelError(
            wrong.what, file=source.path, key=wrong.key, value=wrong.value, way_out=wrong.way_out
        ) from None


def _compiled(source: Source, library: Library) -> Compiled:
    graphs = read_model(source.model)
    program = lower(graphs, library=library)
    network = _network(graphs[0], program)
    bundle, without = source.bundle, "nothing says how sound becomes its input"
    if bundle is not None:
        without = why_not(bundle)
    golden = make_golden(
        source.model,
        stateful=bool(program.flow.state),
        macs=sum(map(macs, network.run)),
        most=golden_windows(check_work(network.init, network.run), network.input.bytes + network.output.bytes),
        file=source.path,
        library=library,
    )
    plan = Plan(
        network=network,
        names=_names(source),
        golden=golden,
        front_end=None if without or bundle is None else front_end_of(bundle, network.input),
        decisions=None if without or bundle is None else decisions_of(bundle, network.output),
    )
    return Compiled(source, graphs[0], program, plan, write_plan(plan), without)


def _names(source: Source) -> Names:
    bundle, sha256 = source.bundle, hashlib.sha256(source.model).hexdigest()
    if bundle is None:
        return Names(sha256, slug(source.path.stem))
    return Names(sha256, bundle.name, bundle.version, bundle.labels)


def _network(graph: Graph, program: Program) -> Network:
    return Network(
        arena_bytes=program.layout.arena_bytes,
        state_bytes=program.layout.state_bytes,
        input=_port(graph, program, graph.inputs[0]),
        output=_port(graph, program, graph.outputs[0]),
        init=tuple(each.record for each in program.init),
        run=tuple(each.record for each in program.run),
        constants=program.constants,
    )


def _port(graph: Graph, program: Program, index: int) -> Port:
    tensor = graph.tensors[index]
    return Port(program.address(index), tensor.elements, tensor.zero, tensor.scale, tensor.dtype)
