"""`edged model info`: everything that a model says of itself."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from edged.classify.bundle import open_bundle
from edged.records import Policy

if TYPE_CHECKING:
    import argparse

    from edged.classify.bundle import Bundle

WIDTH = 12


def run(arguments: argparse.Namespace) -> int:
    """Read it, and print it."""
    told = described(open_bundle(arguments.model))
    print(json.dumps(told, indent=2) if arguments.json else _in_words(told))
    return 0


def described(bundle: Bundle) -> dict[str, Any]:
    """Tell all about a bundle, for machines."""
    head, golden = bundle.head, bundle.golden
    return {
        "name": bundle.name,
        "path": str(bundle.path),
        "kind": bundle.kind,
        "version": bundle.version,
        "description": bundle.description,
        "sha256": bundle.sha256,
        "bytes": len(bundle.model) or bundle.path.stat().st_size,
        "labels": list(bundle.labels),
        "background": list(bundle.background),
        "front_end": {"name": bundle.front_end.name, **asdict(bundle.front_end)},
        "rate_hz": bundle.rate_hz,
        "window_frames": bundle.window_frames,
        "window_s": round(bundle.window_frames * bundle.step_ms / 1000, 3),
        "hop_frames": bundle.hop_frames,
        "hop_s": round(bundle.hop_frames * bundle.step_ms / 1000, 3),
        "stateful": bundle.stateful,
        "output": bundle.output,
        "head": None if head is None else {"embedding": head.embedding, "normalise": head.normalise},
        "policies": {label: asdict(policy) for label, policy in bundle.policies.items()},
        "provenance": dict(bundle.provenance),
        "runtime": bundle.runtime,
        "golden": None
        if golden is None
        else {
            "samples": len(golden.audio) // 2,
            "windows": len(golden.posteriors[bundle.labels[0]]),
            "tolerance": golden.tolerance,
            "made_with": asdict(golden.made_with),
        },
    }


def _in_words(told: dict[str, Any]) -> str:
    reported = [label for label in told["labels"] if label in told["policies"]]
    front_end = dict(told["front_end"])
    kind = front_end.pop("name")
    numbers = ", ".join(f"{key} {value:g}" for key, value in front_end.items())
    state = "; a streaming model: it keeps what it heard" if told["stateful"] else ""
    rows = [
        ("name", f"{told['name']} {told['version']}".rstrip()),
        ("", told["description"]),
        ("path", told["path"]),
        ("sha256", told["sha256"]),
        ("bytes", f"{told['bytes']:,}"),
        ("labels", ", ".join(reported)),
        ("background", ", ".join(told["background"])),
        ("window", f"{told['window_s']:g} s ({told['window_frames']} frames){state}"),
        ("hop", f"{told['hop_s']:g} s ({told['hop_frames']} frames)"),
        ("front end", f"{kind} at {told['rate_hz']} Hz" + (f": {numbers}" if numbers else "")),
        ("output", told["output"]),
        ("head", _head(told)),
        *_policies(told["policies"]),
        *((key.replace("_", " "), text) for key, text in told["provenance"].items()),
        ("runtime", told["runtime"]),
        ("golden", _golden(told["golden"])),
    ]
    return "\n".join(f"{key:{WIDTH}}{text}" for key, text in rows if text)


def _head(told: dict[str, Any]) -> str:
    head = told["head"]
    return f"linear, over an embedding of {head['embedding']} ({head['normalise']})" if head else ""


def _policies(policies: dict[str, dict[str, Any]]) -> list[tuple[str, str]]:
    """Give a line for each policy, with the labels that share it and only what is otherwise than by default."""
    default = asdict(Policy())
    shared: dict[str, list[str]] = {}
    for label, policy in policies.items():
        text = f"{policy['kind']} over {policy['threshold']:g}" + "".join(
            f", {key} {value:g}"
            for key, value in policy.items()
            if key not in ("kind", "threshold") and value != default[key]
        )
        shared.setdefault(text, []).append(label)
    alone = len(shared) == 1
    return [("policy", text if alone else f"{text}: {', '.join(labels)}") for text, labels in shared.items()]


def _golden(golden: dict[str, Any] | None) -> str:
    if golden is None:
        return "none: what it answers here cannot be compared"
    made = golden["made_with"]
    where = f"{made['library']} {made['version']}, {made['kernels']} kernels, {made['machine']}"
    return f"{golden['windows']} windows, answered by {where}; others may be {golden['tolerance']:g} off"
