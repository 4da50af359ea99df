"""`edged check`: what would run, without running it."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from edged import config as toml
from edged.classify.model import open_model
from edged.errors import WorkerLost
from edged.plan import plan
from edged.voice import check_broker

if TYPE_CHECKING:
    import argparse

    from edged.classify.bundle import Bundle
    from edged.plan import Plan


def run(arguments: argparse.Namespace) -> int:
    """Read the config, open every model once, fetch the password, and say what would run."""
    found = plan(arguments.config, ask=True)
    with toml.naming(found.file):
        check_broker(found.config.mqtt)
    for bundle in found.bundles.values():
        if not isinstance(bundle, WorkerLost) and bundle.kind == "tflite":
            open_model(bundle, library=found.library, kernels=found.config.runtime.kernels).close()
    told = _told(found)
    print(json.dumps(told, indent=2, default=str) if arguments.json else _in_words(found, told))
    return 0


def _told(found: Plan) -> dict[str, Any]:
    config = found.config
    return {
        "file": str(found.file),
        "gateway": config.gateway,
        "broker": {"host": config.mqtt.host, "port": config.mqtt.port, "tls": config.mqtt.tls is not None},
        "topics": f"{config.mqtt.topic_prefix}/{config.gateway}/#",
        "state_dir": str(config.state_dir),
        "outbox": {"max_messages": config.outbox.max_messages},
        "sources": {name: asdict(source) for name, source in config.sources.items()},
        "models": {name: _model(bundle) for name, bundle in found.bundles.items()},
        "find_boards": config.find_boards,
        "boards": {name: asdict(board) | _port(board.port) for name, board in config.boards.items()},
        "lanes": [{"source": source, "model": model} for source, model in found.lanes],
    }


def _port(wanted: str) -> dict[str, str | None]:
    """Find where a board is now; None, and why."""
    from edged.mcu import ports  # noqa: PLC0415 - nobody without boards shall pay for it

    found = ports.find(wanted)
    return {"now": None, "why": ports.absence(wanted)} if found is None else {"now": str(found), "why": ""}


def _model(bundle: Bundle | WorkerLost) -> dict[str, Any]:
    if isinstance(bundle, WorkerLost):
        return {"state": "failed", "why": str(bundle)}
    return {
        "state": "opens",
        "path": str(bundle.path),
        "sha256": bundle.sha256,
        "labels": [label for label in bundle.labels if label in bundle.policies],
        "window_s": round(bundle.window_frames * bundle.step_ms / 1000, 3),
        "hop_s": round(bundle.hop_frames * bundle.step_ms / 1000, 3),
        "thresholds": {label: policy.threshold for label, policy in bundle.policies.items()},
    }


def _in_words(found: Plan, told: dict[str, Any]) -> str:
    config = found.config
    user = f", as {config.mqtt.username}" if config.mqtt.username else ""
    tls = ", TLS" if config.mqtt.tls is not None else ""
    lines = [
        f"{found.file}: good.",
        f"gateway  {config.gateway}: publishes {told['topics']}",
        f"broker   {config.mqtt.host}:{config.mqtt.port}{tls}{user}",
        f"outbox   {config.state_dir}: at most {config.outbox.max_messages} events wait",
    ]
    heard_by_some = {source for source, _ in found.lanes}
    lines += [
        f"source   {name}: {_source(source)}" + ("" if name in heard_by_some else "; no model hears it")
        for name, source in config.sources.items()
    ]
    lines += [f"board    {name}: {_board(config.boards[name], now)}" for name, now in told["boards"].items()]
    if config.find_boards:
        lines.append("boards   on other USB ports: those with edged's firmware")
    for name, model in told["models"].items():
        heard = ", ".join(source for source, lane in found.lanes if lane == name)
        if model["state"] == "failed":
            lines.append(f"model    {name} on {heard}: {model['why']}; the daemon would go on trying")
        else:
            labels = model["labels"]
            shown = ", ".join(labels[:6]) + (f" and {len(labels) - 6} more" if len(labels) > 6 else "")  # noqa: PLR2004 - a line's worth
            timing = f"every {model['hop_s']:g} s, {model['window_s']:g} s at a time"
            lines.append(f"model    {name} on {heard}: {shown}; {timing}; {model['path']}")
    return "\n".join(lines)


def _board(board: toml.Board, told: dict[str, str | None]) -> str:
    there = f"now {told['now']}" if told["now"] else f"not there now, and waited for: {told['why']}"
    chip = f", chip {board.uid}" if board.uid else ""
    return f"{board.driver} at {board.baud} baud on {board.port}{chip}; {there}"


def _source(source: toml.Source) -> str:
    match source:
        case toml.Microphone():
            return f"microphone {source.device}, {source.rate_hz} Hz, chunks of {source.chunk_ms} ms"
        case toml.File():
            return (
                f"file {source.path}"
                + (", paced" if source.paced else "")
                + (", again and again" if source.loop else "")
            )
        case _:
            return f"command {' '.join(source.command)}, {source.rate_hz} Hz"
