"""Nearly the word: what a model must not take for it, made from the word itself.

A word's phonemes, as espeak-ng writes them, with two or more of them exchanged for others of their kind, consonant for
consonant and vowel for vowel, give words that nobody uses and that sound almost like it; and where it is two words,
either one beside any other word is what people do say.
"""

from __future__ import annotations

import re
import subprocess
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np

CONSONANTS: Final = tuple("pbtdkgfvszmnlrwjhSZTD")
VOWELS: Final = ("u:", "i:", "A:", "eI", "aI", "oU", "I", "E", "V", "0", "3:", "@")
_TOKEN: Final = re.compile(r"u:|i:|A:|O:|3:|A@|I@|e@|U@|eI|aI|oU|aU|OI|.")
_OTHER_VOWELS: Final = ("A@", "I@", "e@", "U@", "U", "O:", "a", "3", "aU", "OI")
_DROPPED: Final = 0.15
"""Share of the exchanged phonemes that are left out instead."""


def phonemes(words: str) -> str:
    """What espeak-ng would say, in its own notation; empty if it has no idea."""
    said = subprocess.run(["espeak-ng", "-q", "-x", "-v", "en-us", words], capture_output=True, text=True, check=False)
    return said.stdout.strip()


def mutant(notation: str, *, rng: np.random.Generator, changes: int) -> str:
    """Exchange so many phonemes; as espeak-ng takes phonemes, in double brackets."""
    tokens = _TOKEN.findall(notation)
    known = [at for at, token in enumerate(tokens) if token in (*CONSONANTS, *VOWELS, *_OTHER_VOWELS)]
    for at in rng.choice(known, size=min(changes, len(known)), replace=False).tolist():
        old = tokens[at]
        kind = CONSONANTS if old in CONSONANTS else VOWELS
        others = [token for token in kind if token[0] != old[0]]
        tokens[at] = "" if rng.random() < _DROPPED else others[int(rng.integers(len(others)))]
    return "[[" + "".join(tokens) + "]]"


def mutants(words: str, *, rng: np.random.Generator, count: int) -> list[str]:
    """So many that are nearly these words; longer ones bear more changes."""
    notation = phonemes(words)
    low, high = (2, 4) if " " not in words else (3, 6)
    return [mutant(notation, rng=rng, changes=int(rng.integers(low, high))) for _ in range(count)]


def partners(words: str, *, others: Sequence[str], rng: np.random.Generator, count: int) -> list[str]:
    """So many phrases with the first or the last of these words beside another one; none if there is only one."""
    parts = words.split()
    if len(parts) == 1 or not others:
        return []
    drawn = [others[int(at)] for at in rng.integers(len(others), size=count)]
    return [f"{parts[0]} {other}" if at % 2 else f"{other} {parts[-1]}" for at, other in enumerate(drawn)]
