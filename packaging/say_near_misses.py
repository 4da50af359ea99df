"""Say a recipe's near misses: a dataset for each part, of the phrases that no training without that part has heard.

    .venv/bin/python packaging/say_near_misses.py models/wake-en/recipe.toml OUT

makes OUT/1 … OUT/N; what `edged train --fold K/N` made is to be tested on OUT/K. A voice is drawn for each phrase.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

from edged.workshop import speech
from edged.workshop.palettes import near_misses
from edged.workshop.recipe import read_recipe
from edged.workshop.writer import Writer

SEED = 2026
LABEL = "_near_miss_"


def main() -> None:
    """Say them all."""
    recipe, out = read_recipe(Path(sys.argv[1])), Path(sys.argv[2])
    rng = np.random.default_rng(SEED)
    out.mkdir(parents=True, exist_ok=True)
    for part in range(recipe.streaming.parts):
        phrases = near_misses(recipe, part)
        with Writer(out / str(part + 1)) as writer:
            for phrase in phrases:
                voice = speech.draw_voice(rng, engines=("espeak-ng",))
                said = speech.say(phrase, voice)
                writer.add(said, label=LABEL, source="espeak-ng", group=phrase, licence="Apache-2.0")
            writer.commit()
        print(f"{out / str(part + 1)}: {len(phrases)} phrases")


if __name__ == "__main__":
    main()
