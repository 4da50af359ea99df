"""`edged model verify`: whether a bundle is whole, true to its manifest, and answers as where it was made."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING

from edged.classify.bundle import open_bundle
from edged.classify.model import open_model
from edged.classify.proof import prove

if TYPE_CHECKING:
    import argparse

    from edged.classify.bundle import Bundle
    from edged.classify.proof import Proof


def run(arguments: argparse.Namespace) -> int:
    """Verify it; what is wrong is raised, and names what differs."""
    bundle = open_bundle(arguments.model)  # sha256, manifest and fit: it raises at the first that is wrong
    if not arguments.json:
        print(_read(bundle), flush=True)
    open_model(bundle).close()
    proof = prove(bundle) if bundle.kind == "tflite" else None
    if arguments.json:
        print(json.dumps(_told(bundle, proof), indent=2))
    else:
        print(_proven(bundle, proof))
    return 0


def _read(bundle: Bundle) -> str:
    vouched = bundle.path.is_dir() or bundle.path.suffix == ".edged"
    head = "" if bundle.head is None else f", and a head of {bundle.head.embedding} columns"
    count = f"{len(bundle.labels)} label{'s' * (len(bundle.labels) > 1)}"
    return "\n".join(
        (
            f"manifest  {'good' if vouched else 'none: nobody vouches for such a file'}",
            f"sha256    {'as the manifest says' if vouched else 'is'}: {bundle.sha256}",
            f"fit       {bundle.window_frames} frames of {bundle.front_end.name}, {count}{head}",
        )
    )


def _proven(bundle: Bundle, proof: Proof | None) -> str:
    if proof is None:
        return "golden    none: it opens here, and what it answers cannot be compared"
    assert bundle.golden is not None  # noqa: S101 - there is a proof of it
    made = bundle.golden.made_with
    where = "the same" if proof.same else f"{made.library} {made.version}, {made.kernels} kernels, {made.machine}"
    return (
        f"golden    good: {proof.windows} windows, at most {proof.worst:.2g} off; "
        f"{proof.allowed:g} is allowed (answered there by {where})"
    )


def _told(bundle: Bundle, proof: Proof | None) -> dict[str, object]:
    golden = None if proof is None else asdict(proof)
    return {"path": str(bundle.path), "name": bundle.name, "sha256": bundle.sha256, "opens": True, "golden": golden}
