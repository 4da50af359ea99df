"""What may stand in a manifest: readers of values, each of which gives one or says what is wrong with it.

A manifest is a small, closed form, and the daemon reads one whenever it starts. A validation library would cost it
7 MB for as long as it lives; these few functions cost nothing to speak of.

A reader is called with a value, as JSON gives it, and the place where it stands. `table` makes one reader of many.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

Place: TypeAlias = tuple[str | int, ...]
"""A key and the objects and lists it stands in, from the outermost."""
Reader: TypeAlias = Callable[[object, Place], Any]


class WrongValueError(Exception):
    """A value that may not stand where it stands.

    Args:
        what: What is wrong with it, as a clause.
        place: Where it stands.
        value: The value; None where there is none to show.
        way_out: What to do about it.
    """

    def __init__(self, what: str, place: Place, *, value: object = None, way_out: str = "Mend that value") -> None:
        super().__init__(what)
        self.what, self.place, self.value, self.way_out = what, place, value, way_out


def text(*, shortest: int = 0, longest: int = 10_000, pattern: str = "", way_out: str = "Mend that value") -> Reader:
    """A text of so many characters that looks like `pattern`; `way_out` is for one that does not."""

    def read(value: object, place: Place) -> str:
        if not isinstance(value, str):
            raise WrongValueError("should be a valid string", place, value=value, way_out='Write it in quotes: "…"')
        if len(value) < shortest:
            what = "should have at least 1 character"
            raise WrongValueError(what, place, value=value, way_out="Write something, or leave the key out")
        if len(value) > longest:
            what = f"should have at most {longest} characters"
            raise WrongValueError(what, place, value=value, way_out="Shorten it")
        if pattern and not re.search(pattern, value):
            raise WrongValueError(f"should match pattern '{pattern}'", place, value=value, way_out=way_out)
        return value

    return read


def whole(*, low: int, high: int) -> Reader:
    """A whole number within bounds."""

    def read(value: object, place: Place) -> int:
        if type(value) is not int:
            way_out = "Write a whole number, without quotes"
            raise WrongValueError("should be a valid integer", place, value=value, way_out=way_out)
        _bounded(value, place, low=low, high=high)
        return value

    return read


def number(*, low: float, high: float, above: float = -math.inf) -> Reader:
    """A number within bounds, and greater than `above`."""

    def read(value: object, place: Place) -> float:
        found = finite(value, place)
        if found <= above:
            raise WrongValueError(f"should be greater than {above:g}", place, value=value)
        _bounded(found, place, low=low, high=high)
        return found

    return read


def finite(value: object, place: Place) -> float:
    """A number; this is a reader itself."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise WrongValueError("should be a valid number", place, value=value, way_out="Write a number, without quotes")
    try:
        found = float(value)
    except OverflowError:  # a whole number of more than 308 digits
        found = math.inf
    if not math.isfinite(found):
        raise WrongValueError("should be a finite number", place, value=value, way_out="Write a number")
    return found


def choice(*choices: str) -> Reader:
    """One of these texts."""
    quoted = [repr(each) for each in choices]
    named = " or ".join((", ".join(quoted[:-1]), quoted[-1]))

    def read(value: object, place: Place) -> str:
        if value not in choices:
            raise WrongValueError(f"should be {named}", place, value=value)
        return str(value)

    return read


def optional(reader: Reader) -> Reader:
    """What `reader` takes, or null."""
    return lambda value, place: None if value is None else reader(value, place)


def array(reader: Reader, *, fewest: int = 0, most: int) -> Reader:
    """A list of what `reader` takes, given as a tuple."""

    def read(value: object, place: Place) -> tuple[Any, ...]:
        if not isinstance(value, list | tuple):
            raise WrongValueError("should be a valid array", place, value=value, way_out='Write a list: ["…"]')
        if len(value) < fewest:
            raise WrongValueError(f"should have at least {fewest} item{'s' * (fewest > 1)}", place)
        if len(value) > most:
            raise WrongValueError(f"should have at most {most} items, not {len(value)}", place)
        return tuple(reader(each, (*place, number)) for number, each in enumerate(value))

    return read


def mapping(key: Reader, reader: Reader) -> Reader:
    """An object whose keys are the user's own: both are read."""

    def read(value: object, place: Place) -> dict[str, Any]:
        return {key(name, (*place, name)): reader(each, (*place, name)) for name, each in obj(value, place).items()}

    return read


def table(readers: Mapping[str, Reader], *, needed: tuple[str, ...] = ()) -> Reader:
    """An object with known keys: what stands there of them is given, and any other is refused."""

    def read(value: object, place: Place) -> dict[str, Any]:
        told = obj(value, place)
        for key in told:
            if key not in readers:
                raise _unknown(key, told[key], place, tuple(readers))
        for key in needed:
            if key not in told:
                raise WrongValueError("is missing", (*place, key), way_out="Add it")
        return {key: reader(told[key], (*place, key)) for key, reader in readers.items() if key in told}

    return read


def obj(value: object, place: Place) -> dict[str, Any]:
    """An object, whatever is in it; this is a reader itself."""
    if not isinstance(value, dict):
        raise WrongValueError("should be an object", place, value=value, way_out="Write it as a table: {…}")
    return value


def _bounded(value: float, place: Place, *, low: float, high: float) -> None:
    if value < low:
        raise WrongValueError(f"should be greater than or equal to {low:g}", place, value=value)
    if value > high:
        raise WrongValueError(f"should be less than or equal to {high:g}", place, value=value)


def _unknown(key: str, value: object, place: Place, known: tuple[str, ...]) -> WrongValueError:
    from edged.mistakes import nearest  # noqa: PLC0415 - loads difflib, which only a mistake needs

    near = nearest(key, known)
    way_out = "Rename it, or take it out" if near else f"Take it out; known here are {', '.join(known)}"
    return WrongValueError(f"is not a known key{near}", (*place, key), value=value, way_out=way_out)
