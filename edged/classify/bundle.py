"""A model and everything needed to hear with it, from whatever the user named.

The kinds, each described in docs/MODELS.md:

    NAME/ or NAME.edged    edged's own bundle: a `.tflite` and a manifest that says all there is to say
    NAME.json              microWakeWord's description, with its `.tflite` beside it
    NAME.tflite            a bare model: the caller gives labels and front end
    NAME.eim               Edge Impulse's model process: it is started once, and asked

`open_bundle` reads and checks all of it before anything runs. A `.tflite` that does not fit what is said about it is
refused with the shape, dtype or label count that is wrong; no interpreter is needed for that
(`edged.classify.flatbuffer`).
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias

from edged.classify.archive import MANIFEST, MODEL, SUFFIX, Parts, read_file, read_parts, write_parts
from edged.classify.fit import check_fit, outline_of
from edged.classify.flatbuffer import MAX_MODEL_BYTES
from edged.classify.golden import golden_of
from edged.classify.labels import read_labels, slug
from edged.classify.manifest import SCHEMA, read_manifest, write_manifest, written
from edged.classify.microwakeword import read_wake_word
from edged.classify.wishes import Wishes, consistent
from edged.errors import ModelError
from edged.features.frontend import open_front_end
from edged.features.spec import FrontEndSpec, Micro, RawPcm, from_mapping
from edged.records import Policy
from edged.shipped import shipped

if TYPE_CHECKING:
    from collections.abc import Sequence

    from edged.classify.golden import Golden
    from edged.classify.head import Head
    from edged.classify.manifest import Manifest
    from edged.records import Pcm

DEFAULT: Final = "wake-en/wake-en.edged"
Kind: TypeAlias = Literal["tflite", "eim"]
Output: TypeAlias = Literal["posterior", "softmax", "sigmoid"]
"""What makes posteriors of a model's outputs: nothing, or one of these over its logits."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bundle:
    """A model, described and checked; `edged.classify.model.open_model` puts it to work."""

    name: str
    """Letters, digits, _ and -: a level of MQTT topics."""
    path: Path
    """What the user named."""
    kind: Kind
    labels: tuple[str, ...]
    """One for each output of the model, or row of its head, in that order."""
    background: tuple[str, ...] = ()
    """Those of `labels` that are never reported."""
    front_end: FrontEndSpec
    window_frames: int
    hop_frames: int
    policies: Mapping[str, Policy]
    """How scores become decisions, for each label that is not background."""
    sha256: str
    """Of the `.tflite` or `.eim`, hexadecimal."""
    model: bytes = field(default=b"", repr=False)
    """The `.tflite` itself; empty for an `.eim`, which is run from its path."""
    stateful: bool = False
    """The model keeps state from window to window, and wants to hear each frame once."""
    output: Output = "posterior"
    head: Head | None = None
    """What makes logits of the model's outputs, where those are an embedding; `output` then is over them."""
    version: str = ""
    description: str = ""
    provenance: Mapping[str, str] = field(default_factory=dict)
    runtime: str = ""
    """For people: with what it was made and checked."""
    golden: Golden | None = field(default=None, repr=False)
    """A sound, and what the model answers to it: `edged.classify.proof`."""

    @property
    def rate_hz(self) -> int:
        """Samples per second that the front end wants."""
        return open_front_end(self.front_end).rate_hz

    @property
    def step_ms(self) -> float:
        """From one frame to the next, in ms."""
        geometry = open_front_end(self.front_end)
        return 1000 * geometry.step / geometry.rate_hz


def open_bundle(
    path: str | Path,
    *,
    labels: Sequence[str] | Path | None = None,
    background: Sequence[str] = (),
    front_end: FrontEndSpec | Mapping[str, object] | None = None,
    window_frames: int | None = None,
    hop_frames: int | None = None,
    hop_ms: float | None = None,
    policy: Mapping[str, object] | None = None,
    policies: Mapping[str, Mapping[str, object]] | None = None,
    name: str | None = None,
    file: str | Path | None = None,
    table: str = "",
) -> Bundle:
    """Recognise, read and check a model.

    Args:
        path: A bundle folder, `.edged`, microWakeWord `.json`, `.tflite` or `.eim`.
        labels: Of a bare `.tflite`: its labels, or the path of a file of them (`edged.classify.labels`).
        background: Labels that are not reported, beside those that the model names itself.
        front_end: Of a bare `.tflite`: how sound becomes its input.
        window_frames: Of a bare `.tflite`; None for as many as its input takes.
        hop_frames: From one window to the next; None for what the model says.
        hop_ms: The same in ms.
        policy: Fields of `edged.records.Policy` that are to be otherwise for every label.
        policies: The same by label; these go over `policy`.
        name: What to call it, of letters, digits, _ and -; None for its own name.
        file: Where all this is written, for errors.
        table: The dotted table of that file in which it is written: ``models.kitchen``.

    Raises:
        ModelError: It is missing, damaged, or not what is said about it.
        WorkerLost: An `.eim` that does not come up.
    """
    path = Path(path)
    wish = Wishes(
        labels=labels,
        background=background,
        front_end=front_end,
        window_frames=window_frames,
        hop_frames=hop_frames,
        hop_ms=hop_ms,
        policy=policy or {},
        policies=policies or {},
        name=name,
        file=file,
        table=table,
    )
    _there(path)
    return wish.put_over(_recognised(path, wish))


def default_model() -> Bundle:
    """The model that listens where none is named: edged's own wake-en.

    Raises:
        ModelError: This edged was installed without its models.
    """
    return open_bundle(shipped(DEFAULT))


def write_bundle(
    path: str | Path,
    *,
    model: bytes,
    name: str,
    labels: Sequence[str],
    front_end: FrontEndSpec,
    window_frames: int,
    hop_frames: int,
    background: Sequence[str] = (),
    output: Output = "posterior",
    head: Head | None = None,
    policy: Policy | None = None,
    policies: Mapping[str, Policy] | None = None,
    version: str = "",
    description: str = "",
    provenance: Mapping[str, str] | None = None,
    runtime: str = "",
    golden: bool | Pcm = False,
) -> Bundle:
    """Make a bundle, whole or not at all.

    One file where `path` ends in `.edged`, otherwise a folder, which must not exist yet.
    docs/MODELS.md explains the arguments. `golden` is a sound, shape (n,), int16 at the front end's rate, to be kept
    with the model's answers to it, or True for a sweep of tone.

    Returns:
        What `open_bundle(path)` now gives.

    Raises:
        ModelError: The model does not fit what is said about it, or the place cannot be written.
    """
    path = Path(path)
    manifest: dict[str, Any] = {
        "edged_bundle": SCHEMA,
        "name": name,
        "version": version,
        "description": description,
        "sha256": hashlib.sha256(model).hexdigest(),
        "labels": list(labels),
        "background": list(background),
        "front_end": {"name": front_end.name, **asdict(front_end)},
        "window_frames": window_frames,
        "hop_frames": hop_frames,
        "output": output,
        **({} if head is None else {"head": head.told()}),
        "policy": written(policy or Policy()),
        "policies": {label: written(special) for label, special in (policies or {}).items()},
        "provenance": dict(provenance or {}),
        "runtime": runtime,
    }
    data = write_manifest(manifest, file=path / MANIFEST)
    bundle = _from_parts(Parts(data, model, str(path / MANIFEST)), path)
    if golden is not False:
        from edged.classify.proof import make_golden  # noqa: PLC0415 - loads a runtime

        made = make_golden(bundle, None if golden is True else golden)
        data = write_manifest(manifest | {"golden": made.told()}, file=path / MANIFEST)
        bundle = _from_parts(Parts(data, model, str(path / MANIFEST)), path)
    write_parts(path, manifest=data, model=model)
    return bundle


def _there(path: Path) -> None:
    try:
        path.stat()
    except (FileNotFoundError, NotADirectoryError):
        raise ModelError("there is no such model", file=path, way_out="Name a model that exists") from None
    except (OSError, ValueError) as error:  # a folder on the way is closed to this user; ValueError: a NUL in the name
        what = f"cannot be looked at: {(getattr(error, 'strerror', None) or str(error)).lower()}"
        raise ModelError(what, file=path, way_out="Put it where edged may read it") from None


def _recognised(path: Path, wish: Wishes) -> Bundle:
    match path.suffix:
        case ".tflite":
            return _from_tflite(path, wish)
        case ".eim":
            return _from_eim(path)
        case ".json" if path.name != MANIFEST:
            return _from_wake_word(path, wish)
        case ".json":
            return _from_parts(read_parts(path.parent), path.parent)
    if path.is_dir() or path.suffix == SUFFIX:
        return _from_parts(read_parts(path), path)
    way_out = "Name a bundle folder, or a file that ends in .edged, .json (microWakeWord), .tflite or .eim"
    raise ModelError("is no kind of model that edged knows", file=path, way_out=way_out)


def _from_parts(parts: Parts, path: Path) -> Bundle:
    manifest = read_manifest(parts.manifest, file=parts.where)
    found = hashlib.sha256(parts.model).hexdigest()
    if found != manifest.sha256:
        what, way_out = f"is not that of {MODEL}, which has {found}", "Fetch the bundle anew: it is damaged"
        raise ModelError(what, file=parts.where, key="sha256", value=manifest.sha256, way_out=way_out)
    front_end = from_mapping(manifest.front_end, file=parts.where)
    bundle = Bundle(
        name=manifest.name,
        path=path,
        kind="tflite",
        labels=manifest.labels,
        background=manifest.background,
        front_end=front_end,
        window_frames=manifest.window_frames,
        hop_frames=manifest.hop_frames,
        policies=_policies(manifest, where=parts.where),
        sha256=found,
        model=parts.model,
        output=manifest.output,
        head=manifest.head,
        version=manifest.version,
        description=manifest.description,
        provenance={key: text for key, text in manifest.provenance.items() if text},
        runtime=manifest.runtime,
        golden=_golden(manifest, front_end, where=parts.where),
    )
    return _checked(bundle, file=path if path.suffix == SUFFIX else path / MODEL, where=parts.where)


def _golden(manifest: Manifest, front_end: FrontEndSpec, *, where: str) -> Golden | None:
    if manifest.golden is None:
        return None
    geometry = open_front_end(front_end)
    frames = (len(manifest.golden["audio"]) // 2 - geometry.window) // geometry.step + 1
    windows = max(0, (frames - manifest.window_frames) // manifest.hop_frames + 1)
    try:
        return golden_of(manifest.golden, labels=manifest.labels, hop_frames=manifest.hop_frames, windows=windows)
    except ModelError as wrong:
        raise ModelError(wrong.what, file=where, key=wrong.key, value=wrong.value, way_out=wrong.way_out) from None


def _policies(manifest: Manifest, *, where: str) -> dict[str, Policy]:
    general = Policy(**manifest.policy)
    policies = {}
    for label in manifest.labels:
        if label not in manifest.background:
            special = manifest.policies.get(label)
            policy = general if special is None else replace(general, **special)
            policies[label] = consistent(policy, where=where, key="policy" if special is None else f"policies.{label}")
    return policies


def _from_wake_word(path: Path, wish: Wishes) -> Bundle:
    told = read_wake_word(path)
    label = slug(told.phrase)
    ours = wish if wish.labels else replace(wish, labels=(label,), file=None, table="")  # errors are the model's, then
    described = replace(ours, front_end=Micro(), window_frames=None)
    bundle = _from_tflite(told.model, described)
    return replace(
        bundle,
        name=label,
        path=path,
        # Each frame is heard once, whether or not the model keeps what it heard.
        hop_frames=bundle.window_frames,
        policies=dict.fromkeys(bundle.labels, Policy(threshold=told.cutoff, mean_of=told.mean_of)),
        description=told.phrase,
        provenance={"trained_by": told.author} if told.author else {},
    )


def _from_tflite(path: Path, wish: Wishes) -> Bundle:
    model = read_file(path, limit=MAX_MODEL_BYTES)
    outline = outline_of(model, file=path)
    where = "" if wish.table else ", in [models.NAME] of a config"
    if wish.labels is None:
        way_out = f"Give {math.prod(outline.outputs[0].shape)}, one for each of its outputs{where}"
        raise wish.wrong("a bare .tflite needs labels", key="labels", way_out=way_out, path=path)
    if wish.front_end is None:
        way_out = f'Say how sound becomes its input{where}, e.g. front_end = {{ name = "micro" }}'
        raise wish.wrong("a bare .tflite needs a front end", key="front_end", way_out=way_out, path=path)
    given = wish.front_end
    if isinstance(given, Mapping):
        given = from_mapping(given, file=wish.file or path, key=wish.key("front_end"))
    labels = read_labels(wish.labels)
    width = open_front_end(given).width
    window = wish.window_frames or max(1, math.prod(outline.inputs[0].shape) // width)
    bundle = Bundle(
        name=slug(path.stem),
        path=path,
        kind="tflite",
        labels=labels,
        front_end=given,
        window_frames=window,
        # A streaming model hears each frame once; for any other, what one window cuts in two the next holds whole.
        hop_frames=window if outline.stateful else max(1, window // 2),
        policies=dict.fromkeys(labels, Policy()),
        sha256=hashlib.sha256(model).hexdigest(),
        model=model,
    )
    return _checked(bundle, file=path, where=wish.file or path, table=wish.table)


def _from_eim(path: Path) -> Bundle:
    from edged.classify.eim import ask  # noqa: PLC0415 - only a lane with such a model needs it

    told = ask(path)
    return Bundle(
        name=slug(path.stem),
        path=path,
        kind="eim",
        labels=told.labels,
        front_end=RawPcm(rate_hz=told.rate_hz),
        window_frames=told.samples,
        hop_frames=told.hop_samples,
        policies=dict.fromkeys(told.labels, Policy()),
        sha256=hashlib.sha256(read_file(path, limit=MAX_MODEL_BYTES)).hexdigest(),
        description=told.project,
    )


def _checked(bundle: Bundle, *, file: Path, where: str | Path, table: str = "") -> Bundle:
    """The bundle, once its model in `file` was found to be what `where` says of it, in a table or outright."""
    outline = outline_of(bundle.model, file=file)
    check_fit(
        outline,
        labels=len(bundle.labels),
        head=bundle.head,
        window_frames=bundle.window_frames,
        width=open_front_end(bundle.front_end).width,
        front_end=bundle.front_end.name,
        where=where,
        table=table,
    )
    return replace(bundle, stateful=outline.stateful)
