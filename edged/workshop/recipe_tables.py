"""The tables of a recipe: every key with its default, and the sentence under it that docs/TRAIN.md repeats."""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator
from pydantic_core import PydanticCustomError

from edged.records import Policy

Name: TypeAlias = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]+$", max_length=64)]
Label: TypeAlias = Annotated[str, Field(min_length=1, max_length=200)]
Labels: TypeAlias = Annotated[tuple[Label, ...], Field(strict=False)]
Text: TypeAlias = Annotated[str, Field(max_length=10_000)]
Share: TypeAlias = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
Seconds: TypeAlias = Annotated[float, Field(ge=0, le=86_400, allow_inf_nan=False)]
Windows: TypeAlias = Annotated[int, Field(ge=1, le=1000)]
Votes: TypeAlias = Annotated[int, Field(ge=1, le=62)]
Decibels: TypeAlias = Annotated[float, Field(ge=-100, le=100, allow_inf_nan=False)]
Range: TypeAlias = Annotated[tuple[Decibels, Decibels], Field(strict=False)]


class Table(BaseModel):
    """One table of a recipe: frozen, no unknown keys, no guessing of types."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, use_attribute_docstrings=True)


class Augment(Table):
    """What is done to a clip before the model hears it, anew each time."""

    background: Share = 0.25
    """Share of the examples that are background."""
    cut: Share = 0.2
    """Share of the pieces that are cut short, to any length from 0.1 s on: of speech, a syllable is left."""
    gain_db: Range = (-15.0, 8.0)
    """Louder or softer, by so many dB from … to …."""
    speed: float = Field(default=0.15, ge=0, lt=1, allow_inf_nan=False)
    """Faster or slower, pitch and all, by this share at most."""
    colour_db: float = Field(default=6.0, ge=0, le=30, allow_inf_nan=False)
    """Another microphone: each octave up to so many dB louder or softer; 0 for none."""
    room: Share = 0.3
    """Share of the clips that are put into a room, whose echo lasts 0.1 to 0.6 s."""
    noise: Share = 0.5
    """Share of the clips that get background under them."""
    snr_db: Range = (0.0, 25.0)
    """At a signal-to-noise ratio from … to …."""
    mixup: Share = 0.0
    """Share of the examples that are two clips at once, with both their labels, each in its share of the loudness."""
    bands_masked: int = Field(default=8, ge=0, le=512)
    """Twice in each example a stripe of up to so many bands is blanked out."""
    frames_masked: int = Field(default=16, ge=0, le=10_000)
    """And a stripe of up to so many frames."""

    @field_validator("gain_db", "snr_db")
    @classmethod
    def _in_order(cls, bounds: tuple[float, float]) -> tuple[float, float]:
        if bounds[0] > bounds[1]:
            raise _wrong(f"goes from {bounds[0]:g} to {bounds[1]:g}", way_out="Write the smaller number first")
        return bounds


class Network(Table):
    """A DS-CNN: one convolution, then depthwise-separable ones, their mean over time and bands, and a dense layer."""

    filters: Annotated[tuple[Annotated[int, Field(ge=1, le=1024)], ...], Field(strict=False, min_length=1)] = (
        *(16, 32, 48, 64),
    )
    """Filters of each convolution, from the first on."""
    strides: Annotated[tuple[Annotated[int, Field(ge=1, le=8)], ...], Field(strict=False)] = (2, 2, 2, 1)
    """Step of each, in frames and bands."""
    kernel: int = Field(default=3, ge=1, le=15, validate_default=True)
    """Side of each filter, in frames and bands."""
    dropout: float = Field(default=0.2, ge=0, lt=1)
    """Share of the last layer's inputs left out in training."""

    @field_validator("strides")
    @classmethod
    def _one_each(cls, strides: tuple[int, ...], info: ValidationInfo) -> tuple[int, ...]:
        filters = info.data.get("filters", strides)
        if len(strides) != len(filters):
            raise _wrong(f"names {len(strides)} steps for {len(filters)} convolutions", way_out="Give one for each")
        return strides

    @field_validator("kernel")
    @classmethod
    def _nothing_skipped(cls, kernel: int, info: ValidationInfo) -> int:
        # It would pass over some of its input; and XNNPACK, in either runtime, computes such a convolution wrongly.
        if (widest := max(info.data.get("strides", ()), default=1)) > kernel:
            raise _wrong(
                f"is smaller than a step of {widest} in strides", way_out="Write a larger kernel, or smaller steps"
            )
        return kernel


class Training(Table):
    """How long, how fast, and on how much."""

    steps: int = Field(default=2000, ge=1, le=10_000_000)
    """Batches in all."""
    batch: int = Field(default=32, ge=1, le=4096)
    """Examples in a batch."""
    learning_rate: float = Field(default=3e-3, gt=0, le=1)
    """AdamW's, at its highest."""
    warmup: int = Field(default=100, ge=0, le=1_000_000)
    """Steps in which it rises from nothing."""
    schedule: Literal["cosine", "constant"] = "cosine"
    """What it does then: falls to nothing along half a cosine, or stays."""
    weight_decay: float = Field(default=0.02, ge=0, le=1)
    """AdamW's."""
    label_smoothing: float = Field(default=0.05, ge=0, lt=1)
    """Share of each target that is spread over all labels."""
    average: float = Field(default=0.99, ge=0, lt=1)
    """The model that is kept is a moving mean of the one that is trained, with this decay; 0 for that one itself."""
    validation: float = Field(default=0.15, ge=0, le=0.5)
    """Share of the groups that is held back to choose the best moment; 0 holds back none, and keeps the last."""
    evaluate_every: int = Field(default=250, ge=1, le=1_000_000)
    """Steps from one look at the groups held back to the next."""
    seed: int = Field(default=1, ge=0, le=2**32 - 1)
    """Decides everything that is left to chance."""


class Decide(Table):
    """How the bundle's scores become decisions: see docs/DECIDE.md."""

    kind: Literal["detection", "sound"] = "detection"
    """`detection`: one event per word; `sound`: start, update, end."""
    threshold: Share = 0.5
    """A smoothed score above it makes the label active."""
    release: Share | None = None
    """An active label is released at or below it; default: the threshold."""
    mean_of: Windows = 1
    """Windows in the moving mean."""
    n: Votes = 1
    """Of the last of_m smoothed scores, so many must be above the threshold."""
    of_m: Votes = 1
    """So many smoothed scores n is counted in."""
    refractory_s: Seconds = 0.0
    """For so long after an activation, no other of the same label."""
    min_s: Seconds = 0.0
    """A sound shorter than this is not reported."""
    max_s: Seconds | None = None
    """A sound longer than this is ended, and begins anew."""
    update_s: Annotated[float, Field(gt=0, le=86_400)] = 10.0
    """While a sound lasts, one update in so many seconds."""

    @property
    def policy(self) -> Policy:
        """As the road takes it."""
        return Policy(**self.model_dump())


class Streaming(Table):
    """The kind `streaming`: its network, the scenes it is trained on, and what machines say in them."""

    first_kernel: int = Field(default=5, ge=1, le=64)
    """Frames that the first convolution spans; at least window_frames."""
    first_bands: int = Field(default=8, ge=1, le=64)
    """Bands that it spans."""
    bands: Annotated[tuple[Annotated[int, Field(ge=1, le=512)], ...], Field(strict=False, min_length=1)] = (16, 32, 48)
    """Filters of the convolutions that look at bands too; each halves their number."""
    channels: int = Field(default=64, ge=4, le=512)
    """Of the convolutions that look at time only."""
    kernels: Annotated[tuple[Annotated[int, Field(ge=2, le=64)], ...], Field(strict=False, min_length=1)] = (
        *(5, 9, 13, 17),
    )
    """Windows that each of them spans; their sum is what the model can remember."""
    dropout: float = Field(default=0.1, ge=0, lt=1)
    """Share of the channels that each of them goes without in training."""
    scenes: int = Field(default=2500, ge=1, le=1_000_000)
    """Scenes of 6 s for each part."""
    parts: int = Field(default=4, ge=1, le=100)
    """Parts that the groups are dealt into; for a cross-validation, its number of folds."""
    beds: Labels = ("_noise_",)
    """Labels of the background that may go on under a scene."""
    spoken: int = Field(default=600, ge=0, le=100_000)
    """Times that each label is said by machines."""
    say: dict[Label, Text] = {}
    """By label: what is to be said; default: the label, with spaces for underlines."""
    mutants: int = Field(default=450, ge=0, le=100_000)
    """Near misses made of each label by changing its phonemes, and as many with half of it, if it is two words."""
    near_misses: Annotated[tuple[Text, ...], Field(strict=False)] = ()
    """Phrases that are nearly one of the labels."""
    near: int = Field(default=10, ge=0, le=1000)
    """Times that each of them is said."""
    words: Annotated[tuple[Text, ...], Field(strict=False)] = ()
    """Any words, to make sentences of."""
    sentences: int = Field(default=1800, ge=0, le=100_000)
    """Sentences that are said."""
    word: Share = 0.4
    """Share of the sounds in a scene that are a whole word."""
    cut: Share = 0.1
    """Share that are a word cut short."""
    scrambled: Share = 0.12
    """Share that are words put together wrongly, in a real voice."""
    machines: Share = 0.3
    """Share of the words that are said by machines."""
    quiet: Share = 0.2
    """Share of the scenes with next to no noise."""
    room: Share = 0.45
    """Share of the scenes in a room with an echo."""
    snr_db: Range = (-6.0, 22.0)
    """Of the others: what is said over the noise, from … to …."""
    mask: bool = True
    """Blank out stripes of time and of bands in training."""
    warp: float = Field(default=0.08, ge=0, le=0.5, allow_inf_nan=False)
    """Stretch the bands by this share at most in training: other throats."""


def _wrong(what: str, *, way_out: str) -> PydanticCustomError:
    return PydanticCustomError("edged", "{what}", {"what": what, "way_out": way_out})
