"""Where the models are that come with edged: in a clone its `models/`, once installed `share/edged/models`.

An installed edged has them as data files of its package, so they lie under the prefix it was installed to: a virtual
environment, ``/usr``, or a user's own.
"""

from __future__ import annotations

import site
import sys
from pathlib import Path
from typing import Final

from edged.errors import ModelError

INSTALLED: Final = Path("share", "edged", "models")
"""Under the prefix; the same words stand in pyproject.toml, in `[tool.setuptools.data-files]`."""


def shipped(name: str, *, package: Path = Path(__file__).parent) -> Path:
    """The path of a model, or of another file, that comes with edged.

    Args:
        name: Below `models/`: ``wake-en/wake-en.edged``.
        package: The package edged, from where to look.

    Raises:
        ModelError: It is not there: this edged was installed without it.
    """
    folders = _folders(package)
    for folder in folders:
        if (folder / name).exists():
            return folder / name
    looked = " and ".join(map(str, folders))
    way_out = "Install edged with its models: pip install --force-reinstall edged, or use a clone"
    raise ModelError(f"comes with edged, but is not in {looked}", value=name, way_out=way_out)


def _folders(package: Path) -> list[Path]:
    root = package.parent
    # site-packages may hold a `models` of somebody else's; only a clone has a pyproject.toml beside the package.
    clone = [root / "models"] if (root / "pyproject.toml").is_file() else []
    installed = [Path(prefix) / INSTALLED for prefix in dict.fromkeys((sys.prefix, site.getuserbase()))]
    return [*clone, *installed]
