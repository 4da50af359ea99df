"""The embedding that edged ships, at work: windows of sound become points, and what sounds alike lies close together.

It is a bundle like any other, but that its outputs are the coordinates of a point; its labels only number them. Beside
it lies `background.npz`: the points of speech, noise and things that nobody wants to be told of. They are what a head
learns to ignore, so that a dozen clips of a word are enough, without any recording of all that the word is not.
"""

from __future__ import annotations

import zipfile
import zlib
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from edged.classify.bundle import open_bundle
from edged.classify.model import open_model
from edged.errors import ModelError
from edged.features.frontend import open_front_end
from edged.shipped import shipped

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from numpy.typing import NDArray

    from edged.classify.bundle import Bundle
    from edged.records import Frames, Pcm

EMBEDDING: Final = "embedding/embedding.edged"
BACKGROUND: Final = "background.npz"
MAX_POINTS: Final = 20_000
_ANEW: Final = "Install edged anew, or make both files anew with packaging/make_embedding.py"


class Embedder:
    """An embedding in an interpreter, and the background that it has met.

    Args:
        bundle: The embedding.
        background: Points, shape (n, size).
    """

    def __init__(self, bundle: Bundle, background: NDArray[np.float32]) -> None:
        self.bundle: Final = bundle
        self.background: Final = background
        self._model = open_model(bundle)

    @property
    def size(self) -> int:
        """Coordinates of a point."""
        return len(self.bundle.labels)

    @property
    def rate_hz(self) -> int:
        """Of the samples it hears."""
        return self.bundle.rate_hz

    def frames(self, samples: Pcm) -> Frames:
        """What the front end makes of samples, shape (n,), int16, heard from its start: shape (frames, width)."""
        return open_front_end(self.bundle.front_end).push(samples)

    def points(self, windows: Frames) -> NDArray[np.float32]:
        """Points, shape (n, size), of windows, shape (n, window_frames, width)."""
        if not len(windows):
            return np.empty((0, self.size), np.float32)
        return np.stack([self._model.scores(window) for window in windows])

    def close(self) -> None:
        """Release the interpreter."""
        self._model.close()


def open_embedder(path: Path | None = None) -> Embedder:
    """Open an embedding, and the background beside it.

    Args:
        path: Of the bundle; None for the one that edged ships.

    Raises:
        ModelError: Either is missing, damaged, or not the other's.
    """
    path = shipped(EMBEDDING) if path is None else path
    bundle = open_bundle(path)
    return Embedder(bundle, read_background(path.parent / BACKGROUND, bundle=bundle))


def write_background(path: Path, points: NDArray[np.float32], *, bundle: Bundle) -> None:
    """Keep points, shape (n, size), 8 bits a coordinate, so that `read_background` finds them."""
    scale = np.float32(np.abs(points).max() / 127)
    coarse = np.clip(np.rint(points / scale), -127, 127).astype(np.int8)
    np.savez_compressed(path, points=coarse, scale=scale, embedding=np.array(bundle.sha256))


def read_background(path: Path, *, bundle: Bundle) -> NDArray[np.float32]:
    """Read the background's points, shape (n, size), as this embedding has them.

    Raises:
        ModelError: The file is missing or damaged, or was made with another embedding.
    """
    try:
        with np.load(path, allow_pickle=False) as file:
            held: dict[str, Any] = {key: file[key] for key in ("points", "scale", "embedding")}
    except FileNotFoundError:
        raise ModelError(
            "there is no such file, and the embedding beside it needs it", file=path, way_out=_ANEW
        ) from None
    except OSError as error:
        what = f"cannot be read: {(error.strerror or str(error)).lower()}"
        raise ModelError(what, file=path, way_out="Let this user read it") from None
    except (KeyError, ValueError, EOFError, zipfile.BadZipFile, zlib.error, NotImplementedError) as error:
        raise ModelError(f"is damaged: {error}", file=path, way_out=_ANEW) from None
    return _checked(held, path=path, bundle=bundle)


def _checked(held: Mapping[str, Any], *, path: Path, bundle: Bundle) -> NDArray[np.float32]:
    made_with = str(held["embedding"])
    if made_with != bundle.sha256:
        what = f"was made with another embedding than the one beside it, which is {bundle.sha256[:12]}…"
        raise ModelError(what, file=path, key="embedding", value=f"{made_with[:12]}…", way_out=_ANEW)
    points, scale = held["points"], held["scale"]
    whole = points.dtype == np.int8 and points.ndim == 2 and 0 < len(points) <= MAX_POINTS  # noqa: PLR2004 - rows, columns
    if not whole or points.shape[1] != len(bundle.labels) or scale.shape != () or not 0 < float(scale) < np.inf:
        what = f"does not hold points of {len(bundle.labels)} coordinates"
        raise ModelError(what, file=path, key="points", value=str(points.shape), way_out=_ANEW)
    return np.asarray(points * np.float32(scale), dtype=np.float32)
