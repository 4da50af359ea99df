"""`edged compile`: a model becomes a plan, which boards run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edged.compiler.compiled import compile_model, read_source

if TYPE_CHECKING:
    import argparse


def run(arguments: argparse.Namespace) -> int:
    """Compile it, and write the plan."""
    compiled = compile_model(read_source(arguments.model))
    if arguments.out is not None:
        arguments.out.write_bytes(compiled.data)
    return 0
