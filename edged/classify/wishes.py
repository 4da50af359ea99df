"""What the user says of a model beside its path: all about a bare `.tflite`, for other kinds what is to differ."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from edged.classify.manifest import check_policy
from edged.errors import ModelError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from edged.classify.bundle import Bundle
    from edged.features.spec import FrontEndSpec
    from edged.records import Policy


class Checked(dict[str, Any]):
    """Keywords of `Policy` that have been checked where they were read, and are not looked at again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wishes:
    """Keywords of `edged.classify.bundle.open_bundle`, which explains them."""

    labels: Sequence[str] | Path | None
    background: Sequence[str]
    front_end: FrontEndSpec | Mapping[str, object] | None
    window_frames: int | None
    hop_frames: int | None
    hop_ms: float | None
    policy: Mapping[str, object]
    policies: Mapping[str, Mapping[str, object]]
    name: str | None
    file: str | Path | None
    table: str

    def wrong(self, what: str, *, key: str, value: object = None, way_out: str, path: Path) -> ModelError:
        """Make the error that says where a wish was written; `path` is the model's, for what no file says."""
        return ModelError(what, file=self.file or path, key=self.key(key), value=value, way_out=way_out)

    def key(self, key: str) -> str:
        """Give a key as it stands in the file."""
        return f"{self.table}.{key}" if self.table else key

    def put_over(self, bundle: Bundle) -> Bundle:
        """The bundle, with what is wished put over what the model says of itself."""
        self.check_labels(bundle.labels, path=bundle.path)
        background = (*bundle.background, *self.background)
        reported = {label: policy for label, policy in bundle.policies.items() if label not in background}
        hop = self.hop(bundle.hop_frames, step_ms=bundle.step_ms, path=bundle.path)
        if bundle.stateful and hop != bundle.window_frames:
            key, value = ("hop_frames", hop) if self.hop_ms is None else ("hop_ms", self.hop_ms)
            what = f"does not suit a streaming model: it hears each of its {bundle.window_frames} frames once"
            raise self.wrong(what, key=key, value=value, way_out="Leave it out", path=bundle.path)
        return replace(
            bundle,
            name=self.name or bundle.name,
            background=background,
            hop_frames=hop,
            policies=self.over(reported, path=bundle.path),
        )

    def check_labels(self, labels: Sequence[str], *, path: Path) -> None:
        """Check that what is said about a label is said about one of these."""
        for key, named in (("background", self.background), ("policies", self.policies)):
            for label in named:
                if label not in labels:
                    way_out = f"Name one of {', '.join(labels[:20])}"
                    raise self.wrong("is no label of this model", key=key, value=label, way_out=way_out, path=path)

    def hop(self, frames: int, *, step_ms: float, path: Path) -> int:
        """Frames from one window to the next: as wished, or as they are."""
        if self.hop_ms is None:
            return self.hop_frames or frames
        hop = round(self.hop_ms / step_ms)
        if hop < 1 or not math.isclose(hop * step_ms, self.hop_ms, abs_tol=1e-6):
            way_out = f"Give a multiple of {step_ms:g} ms"
            what = "is no whole number of frames"
            raise self.wrong(what, key="hop_ms", value=self.hop_ms, way_out=way_out, path=path)
        return hop

    def over(self, policies: Mapping[str, Policy], *, path: Path) -> dict[str, Policy]:
        """The policies with what is wished for all labels, then for each, put over them."""
        return {label: self._over(label, policy, path) for label, policy in policies.items()}

    def _over(self, label: str, policy: Policy, path: Path) -> Policy:
        special = self.policies.get(label, {})
        if not self.policy and not special:
            return policy
        where = self.file or path
        for key, wished in (("policy", self.policy), (f"policies.{label}", special)):
            policy = replace(policy, **_checked(wished, file=where, key=self.key(key)))
        return consistent(policy, where=where, key=self.key(f"policies.{label}" if special else "policy"))


def _checked(wished: Mapping[str, object], *, file: str | Path, key: str) -> Mapping[str, Any]:
    if isinstance(wished, Checked):
        return wished
    return check_policy(wished, file=file, key=key)


def consistent(policy: Policy, *, where: str | Path, key: str) -> Policy:
    """The policy, whose values go together.

    Raises:
        ModelError: One is above the other that limits it.
    """
    pairs: Iterable[tuple[str, float | None, str, float | None]] = (
        ("release", policy.release, "threshold", policy.threshold),
        ("n", policy.n, "of_m", policy.of_m),
        ("min_s", policy.min_s, "max_s", policy.max_s),
    )
    for name, value, limit_name, limit in pairs:
        if value is not None and limit is not None and value > limit:
            what = f"is above {limit_name}, {limit:g}"
            way_out = f"Lower it, or raise {limit_name}"
            raise ModelError(what, file=where, key=f"{key}.{name}", value=value, way_out=way_out)
    return policy
