"""What is wrong with a config file, in the user's words.

A validator speaks of inputs, tags and types; here each of its findings becomes a `ConfigError` that names the key as
the user wrote it, the value, and what to write instead. A value is shown only where it cannot be a secret: whatever
stands in `[mqtt]` under an unknown key may be a misspelt password, and so may a table that holds one.
"""

from __future__ import annotations

import re
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any, TypeAlias

from edged.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from pathlib import Path

Place: TypeAlias = tuple[str | int, ...]
"""A key and the tables it stands in, from the outermost."""

WAYS_OUT = {
    "missing": "Add it",
    "int_type": "Write a whole number, without quotes",
    "float_type": "Write a number, without quotes",
    "finite_number": "Write a number",
    "bool_type": "Write true or false, without quotes",
    "string_type": 'Write it in quotes: "…"',
    "tuple_type": 'Write a list: ["…"]',
    "dict_type": "Write it as a table",
    "model_type": "Write it as a table",
    "model_attributes_type": "Write it as a table",
    "string_pattern_mismatch": "Use letters, digits, _ and - only",
    "string_too_long": "Shorten it",
    "string_too_short": "Write something, or leave the key out",
}
SECRET = re.compile("pass|pw|secret|token|credential", re.IGNORECASE)
BETTER_PLACES = (
    "Give password_credential, password_file or password_env instead, never a password in a file that others can read"
)


def nearest(word: str, known: Iterable[str]) -> str:
    """Give `` (did you mean `x`?)`` for the known word nearest to this one, or nothing."""
    by_folded = {name.casefold(): name for name in known}
    found = get_close_matches(word.casefold(), by_folded, n=1, cutoff=0.6)
    return f" (did you mean `{by_folded[found[0]]}`?)" if found else ""


def dotted(place: Place) -> str:
    """Write a place as TOML would: ``models.kitchen.labels[2]``, quoting what is no bare key."""
    text = ""
    for part in place:
        if isinstance(part, int):
            text += f"[{part}]"
        else:
            bare = re.fullmatch(r"[A-Za-z0-9_-]+", part)
            text += ("." if text else "") + (part if bare else f'"{part}"')
    return text


def mistakes(
    findings: Sequence[Mapping[str, Any]], *, file: Path, keys_of: Callable[[Place], Iterable[str]]
) -> list[ConfigError]:
    """Turn pydantic's error details into errors for the user; `keys_of` gives the keys that a table may hold."""
    return [_mistake(finding, file, keys_of) for finding in findings]


def _mistake(finding: Mapping[str, Any], file: Path, keys_of: Callable[[Place], Iterable[str]]) -> ConfigError:
    place, value, context = finding["loc"], finding["input"], finding.get("ctx", {})
    match finding["type"]:
        case "extra_forbidden":
            return _unknown(place, value, file=file, keys_of=keys_of)
        case "edged":
            what, way_out = context["what"], context["way_out"]
        case "union_tag_not_found":
            place, value = (*place, "", "kind"), None
            what, way_out = "is missing", "Say what kind of source it is: microphone, file or command"
        case "union_tag_invalid":
            place, value = (*place, "", "kind"), context["tag"]
            what, way_out = "is no kind of source", f"Write one of {context['expected_tags']}"
        case "missing":
            value, what, way_out = None, "is missing", "Add it"
        case _:
            what, way_out = _words(finding["type"], finding["msg"], context)
    return ConfigError(what, file=file, key=dotted(_as_written(place)), value=_shown(place, value), way_out=way_out)


def _words(kind: str, message: str, context: Mapping[str, Any]) -> tuple[str, str]:
    """Give what is wrong and the way out where the kind of finding says both."""
    match kind:
        case "too_short":
            return "is empty", "Name at least one"
        case "tuple_type":
            return "is not a list", 'Write one: ["…"]'
        case "path_type":
            return "is not a path", 'Write it in quotes: "…"'
        case "less_than_equal":
            return "is too large", f"Write {_short(context['le'])} or less"
        case "greater_than_equal":
            return "is too small", f"Write {_short(context['ge'])} or more"
    otherwise = "Write such a value, or take the key out where it has a default"
    return re.sub("^(Input|String|Value) ", "", message), WAYS_OUT.get(kind, otherwise)


def _short(number: float) -> float:
    return int(number) if number == int(number) else number


def _unknown(place: Place, value: object, *, file: Path, keys_of: Callable[[Place], Iterable[str]]) -> ConfigError:
    *table, key = place
    known = tuple(keys_of(tuple(table)))
    if key == "password":
        return ConfigError("has no place in this file", file=file, key=dotted(place), way_out=BETTER_PLACES)
    near = nearest(str(key), known)
    way_out = "Rename it, or take it out" if near else f"Take it out; known here are {', '.join(known)}"
    what = f"is not a known key{near}"
    shown = None if table[:1] == ["mqtt"] else _shown(place, value)
    return ConfigError(what, file=file, key=dotted(_as_written(place)), value=shown, way_out=way_out)


def _as_written(place: Place) -> Place:
    """Take out what the validator added to the place: a source's kind, and the mark of a wrong key."""
    if place[:1] == ("sources",) and "[key]" not in place:
        place = place[:2] + place[3:]
    return tuple(part for part in place if part != "[key]")


def _shown(place: Place, value: object) -> object:
    """Give the value back if it may be shown: a plain one, that can be no secret."""
    secret = any(SECRET.search(str(part)) for part in place)
    is_address = place[:1] == ("mqtt",) and ("@" in str(value) or len(place) == 1)
    return value if isinstance(value, str | int | float) and not (secret or is_address) else None
