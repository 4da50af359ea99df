"""Compare edged with pymicro-wakeword on the same audio, activation by activation, each in a process of its own.

    .venv/bin/python packaging/compare_peers.py FOLDER --model alexa [--gaps after] [--json]

The recordings of the folder, in the order of their names, are joined with 1 s of silence before (or after) each one.
pymicro-wakeword hears that stream as its documentation says, with its packaged model; an activation is the rising edge
of its mean over its cutoff, and its time is the number of samples fed until then. edged hears the same samples as a WAV
file by `edged replay --json`.

Both do the same arithmetic up to the model. There, libraries differ: given the same int8 inputs, DEPTHWISE_CONV_2D
alone gives other outputs, one step up, where its last rounding shift meets a tie of a negative number. TensorFlow's
reference kernels, and tflite-runtime's own on x86-64, round such a tie away from zero; the optimised kernels of LiteRT
and of pymicro-wakeword's library round it up (as ARM's NEON does, and the translation of that code to SSE, which
TensorFlow takes where it is compiled for SSE 4.1). LiteRT's default, XNNPACK, is a third arithmetic. So edged runs on
all of these:

    tflite-runtime         as edged runs it on Python 3.11
    litert reference       TensorFlow's plain kernels
    litert                 as edged runs it on Python 3.12 and later: XNNPACK
    litert, no XNNPACK     LiteRT's own optimised kernels: the arithmetic of pymicro-wakeword's library
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

RATE_HZ = 16_000
PIECE = 160
STRIDE_S = 0.03
"""From one answer of these models to the next."""
NEAR_S = 10 * STRIDE_S
"""Activations no further apart are taken for the same one."""
PEER = "pymicro-wakeword"
NO_DELEGATE = "litert, no XNNPACK"
EDGED = {
    "tflite-runtime": ("tflite-runtime", "default"),
    "litert reference": ("litert", "reference"),
    "litert": ("litert", "default"),
    NO_DELEGATE: ("litert", "default"),
}
CONFIG = """
[runtime]
library = "{library}"
kernels = "{kernels}"
[models.{model}]
path = "{path}"
[sources.none]
kind = "microphone"
"""


def main() -> None:
    """Print what each heard and where they differ, or all of it as JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="recordings: WAV or FLAC")
    parser.add_argument("--model", default="alexa", help="which of pymicro-wakeword's models")
    parser.add_argument("--gaps", choices=("before", "after"), default="before")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--one", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one:
        hear(arguments.one, arguments.folder, arguments.model)
        return
    found = compare(arguments.folder, model=arguments.model, gaps=arguments.gaps)
    print(json.dumps(found) if arguments.json else told(found))


def compare(folder: Path, *, model: str, gaps: str) -> dict[str, object]:
    """What everybody hears: seconds of the stream at each activation, by who it was."""
    from edged.classify.runtime import installed  # noqa: PLC0415 - not in the processes that are compared

    with tempfile.TemporaryDirectory() as scratch:
        wav = Path(scratch, "stream.wav")
        recordings, seconds = join(folder, wav, gaps=gaps)
        with ThreadPoolExecutor(2) as pool:
            who = [PEER, *(name for name, (library, _) in EDGED.items() if library in installed())]
            heard = dict(zip(who, pool.map(lambda name: apart(name, wav, model), who), strict=True))
    differs = {who: differing(heard[PEER], heard[who]) for who in EDGED if who in heard}
    stream = {"recordings": recordings, "seconds": seconds, "gaps": gaps, "model": model}
    return stream | {"at_s": heard, "differs": differs}


def join(folder: Path, wav: Path, *, gaps: str) -> tuple[int, float]:
    """Write the stream; returns how many recordings are in it and how long it is, in seconds."""
    import numpy as np  # noqa: PLC0415 - likewise
    import soundfile  # noqa: PLC0415 - likewise

    files = sorted(file for file in folder.iterdir() if file.suffix in {".flac", ".wav"})
    silence = np.zeros(RATE_HZ, np.int16)
    parts = []
    for file in files:
        samples, rate_hz = soundfile.read(file, dtype="int16")
        if rate_hz != RATE_HZ or samples.ndim != 1:
            sys.exit(f"{file}: is not mono at {RATE_HZ} Hz")
        parts += [silence, samples] if gaps == "before" else [samples, silence]
    stream = np.concatenate(parts)
    soundfile.write(wav, stream, RATE_HZ, subtype="PCM_16")
    return len(files), len(stream) / RATE_HZ


def apart(who: str, wav: Path, model: str) -> list[float]:
    """Have one of them hear the stream in a process of its own."""
    command = [sys.executable, __file__, "--one", who, "--model", model, str(wav)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{who}: {done.stderr}")
    return [json.loads(line)["at_s"] for line in done.stdout.splitlines()]


def hear(who: str, wav: Path, model: str) -> None:
    """Hear the stream, and print a line of JSON for each activation."""
    if who == PEER:
        hear_as_peer(wav, model)
        return
    if who == NO_DELEGATE:
        leave_out_xnnpack()
    hear_as_edged(wav, model, *EDGED[who])


def hear_as_peer(wav: Path, model: str) -> None:
    """As pymicro-wakeword's own program does, with its own features."""
    import wave  # noqa: PLC0415 - only in this process

    from pymicro_wakeword import MicroWakeWord, MicroWakeWordFeatures, Model  # noqa: PLC0415 - likewise

    with wave.open(str(wav)) as reading:
        audio = reading.readframes(reading.getnframes())
    word, features = MicroWakeWord.from_builtin(Model(model)), MicroWakeWordFeatures()
    frames, on = 0, False
    for end in range(2 * PIECE, len(audio) + 1, 2 * PIECE):
        for frame in features.process_streaming(audio[end - 2 * PIECE : end]):
            frames += 1
            detected = word.process_streaming(frame)
            if frames % word.stride == 0:  # in between it says False, whatever it last heard
                if detected and not on:
                    print(json.dumps({"at_s": end / 2 / RATE_HZ}))
                on = bool(detected)


def hear_as_edged(wav: Path, model: str, library: str, kernels: str) -> None:
    """By `edged replay`."""
    import pymicro_wakeword  # noqa: PLC0415 - only for where its models are

    from edged.cli import main as edged  # noqa: PLC0415 - only in this process

    path = Path(pymicro_wakeword.__file__).parent / "models" / f"{model}.json"
    with tempfile.TemporaryDirectory() as scratch:
        config = Path(scratch, "edged.toml")
        config.write_text(CONFIG.format(library=library, kernels=kernels, model=model, path=path))
        sys.argv = ["edged", "replay", str(wav), "--config", str(config), "--json"]
        sys.exit(edged())


def leave_out_xnnpack() -> None:
    """Let this process open LiteRT's interpreters without their delegate: an option of LiteRT that edged has not."""
    from ai_edge_litert import interpreter  # noqa: PLC0415 - only in this process

    plain = interpreter.OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
    own = interpreter.Interpreter
    interpreter.Interpreter = lambda **given: own(**given | {"experimental_op_resolver_type": plain})


def told(found: dict) -> str:
    """The same in words."""
    theirs = found["at_s"][PEER]
    stream = f"{found['recordings']} recordings, 1 s of silence {found['gaps']} each, {found['seconds']:.0f} s"
    lines = [f"{stream}; {PEER}, model {found['model']}: {len(theirs)} activations"]
    for who, pairs in found["differs"].items():
        ours = found["at_s"][who]
        same = f"{len(set(ours) & set(theirs))} at the identical sample"
        lines.append(f"  edged, {who + ':':20} {len(ours):4} activations, {same}")
        lines += [f"    {line}" for line in map(shift, pairs)]
    return "\n".join(lines)


def differing(theirs: list[float], ours: list[float]) -> list[tuple[float | None, float | None]]:
    """Pairs (theirs, ours) of seconds that are not the same; None where one has nothing near."""
    only_ours = sorted(set(ours) - set(theirs))
    pairs = []
    for at in sorted(set(theirs) - set(ours)):
        near = min(only_ours, key=lambda other: abs(other - at), default=None)
        if near is not None and abs(near - at) <= NEAR_S:
            only_ours.remove(near)
            pairs.append((at, near))
        else:
            pairs.append((at, None))
    return sorted(pairs + [(None, at) for at in only_ours], key=lambda pair: pair[0] or pair[1])


def shift(pair: tuple[float | None, float | None]) -> str:
    """Say one difference."""
    match pair:
        case (at, None):
            return f"{at:9.3f} s: only {PEER}"
        case (None, at):
            return f"{at:9.3f} s: only edged"
        case (theirs, ours):
            return f"{theirs:9.3f} s: edged {ours - theirs:+.3f} s"


if __name__ == "__main__":
    main()
