"""Near misses: nearly the word, and never it."""

from __future__ import annotations

import numpy as np
import pytest

from edged.workshop import nearly


def rng() -> np.random.Generator:
    return np.random.default_rng(0)


def test_espeak_knows_the_phonemes_of_a_word() -> None:
    assert nearly.phonemes("jarvis").startswith("dZ")


@pytest.mark.parametrize("word", ["computer", "jarvis", "smart mirror"])
def test_a_mutant_is_another_word(word: str) -> None:
    original = nearly.phonemes(word)
    made = nearly.mutants(word, rng=rng(), count=50)
    assert len(made) == 50
    assert len(set(made)) > 40
    for each in made:
        assert each.startswith("[[")
        assert each.endswith("]]")
        assert each[2:-2] != original


def test_so_many_phonemes_are_exchanged() -> None:
    changed = nearly.mutant("pataka", rng=rng(), changes=1)[2:-2]
    assert sum(old != new for old, new in zip("pataka", changed.ljust(6), strict=False)) >= 1
    assert len(changed) >= 5


def test_each_half_of_two_words_gets_other_partners() -> None:
    made = nearly.partners("smart mirror", others=["home", "car"], rng=rng(), count=10)
    assert len(made) == 10
    assert set(made) <= {"smart home", "smart car", "home mirror", "car mirror"}


def test_one_word_has_no_partners() -> None:
    assert nearly.partners("computer", others=["home"], rng=rng(), count=10) == []
