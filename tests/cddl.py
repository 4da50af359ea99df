"""The part of CDDL (RFC 8610) that mcu-firmware/PROTOCOL.md uses, to hold messages against it.

Rules of maps (`key: type`, `? key: type`, `* tstr => any`), arrays, choices, ranges, literals, `.size` and comments.
zcbor's own validator needs a cbor2 that does not stand beside the one the project uses.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

_TOKENS = re.compile(r'\s+|;[^\n]*|(=>|\.\.|\.size|"[^"]*"|-?\d+|[A-Za-z_][\w-]*|[={}\[\]:,?*/])')
_PRELUDE = {"uint", "int", "tstr", "bstr", "bool", "true", "false", "null", "any"}


@dataclass(frozen=True, slots=True)
class Literal:
    value: Any


@dataclass(frozen=True, slots=True)
class Range:
    low: int
    high: int


@dataclass(frozen=True, slots=True)
class Name:
    name: str
    size: int | None = None


@dataclass(frozen=True, slots=True)
class Choice:
    types: tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Array:
    items: tuple[Any, ...]
    repeated: bool


@dataclass(frozen=True, slots=True)
class Map:
    required: dict[str, Any] = field(default_factory=dict)
    optional: dict[str, Any] = field(default_factory=dict)
    others: bool = False


class Rules:
    """What a text says, by the rules' names."""

    def __init__(self, text: str) -> None:
        at = 0
        self._tokens: list[str] = []
        while at < len(text):
            found = _TOKENS.match(text, at)
            assert found, f"not CDDL: {text[at : at + 40]!r}"
            self._tokens += [found[1]] if found[1] else []
            at = found.end()
        self.types: dict[str, Any] = {}
        self._used: set[str] = set()
        while self._tokens:
            name = self._take()
            assert name not in self.types, f"{name} is there twice"
            self._take("=")
            self.types[name] = self._type()
        missing = self._used - set(self.types) - _PRELUDE
        assert not missing, f"no rules for {missing}"

    def matches(self, name: str, value: Any) -> bool:
        """Whether a value is what the rule of that name says."""
        return self._is(self.types[name], value)

    def _take(self, *expected: str) -> str:
        token = self._tokens.pop(0)
        assert not expected or token in expected, f"{token!r} where {expected} should stand"
        return token

    def _next(self) -> str:
        return self._tokens[0] if self._tokens else ""

    def _type(self) -> Any:
        types = [self._one()]
        while self._next() == "/":
            self._take()
            types.append(self._one())
        return types[0] if len(types) == 1 else Choice(tuple(types))

    def _one(self) -> Any:
        match self._take():
            case "{":
                return self._map()
            case "[":
                return self._array()
            case word if word.startswith('"'):
                return Literal(word[1:-1])
            case word if re.fullmatch(r"-?\d+", word):
                return self._number(int(word))
            case word:
                self._used.add(word)
                return Name(word, self._size())

    def _number(self, number: int) -> Any:
        if self._next() != "..":
            return Literal(number)
        self._take()
        return Range(number, int(self._take()))

    def _size(self) -> int | None:
        if self._next() != ".size":
            return None
        self._take()
        return int(self._take())

    def _map(self) -> Map:
        found = Map()
        others = False
        while self._next() != "}":
            match self._take():
                case "*":
                    assert [self._take() for _ in range(3)] == ["tstr", "=>", "any"]
                    others = True
                case "?":
                    key = self._take()
                    self._take(":")
                    found.optional[key] = self._type()
                case key:
                    self._take(":")
                    found.required[key] = self._type()
            if self._next() == ",":
                self._take()
        self._take("}")
        return Map(found.required, found.optional, others)

    def _array(self) -> Array:
        items, repeated = [], self._next() == "*"
        if repeated:
            self._take()
        while self._next() != "]":
            items.append(self._type())
            if self._next() == ",":
                self._take()
        self._take("]")
        return Array(tuple(items), repeated)

    def _is(self, type_: Any, value: Any) -> bool:  # noqa: PLR0911 - a table: a line for each kind of type
        match type_:
            case Literal(expected):
                return type(value) is type(expected) and value == expected
            case Range(low, high):
                return type(value) is int and low <= value <= high
            case Choice(types):
                return any(self._is(each, value) for each in types)
            case Array(items, repeated):
                if not isinstance(value, list):
                    return False
                items = items * len(value) if repeated else items
                return len(items) == len(value) and all(map(self._is, items, value))
            case Map():
                return isinstance(value, dict) and self._is_map(type_, value)
            case Name(name, size) if name in self.types:
                assert size is None
                return self._is(self.types[name], value)
        return _is_basic(type_, value)

    def _is_map(self, type_: Map, value: dict[str, Any]) -> bool:
        known = type_.required | type_.optional
        if not type_.required.keys() <= value.keys() or not (type_.others or value.keys() <= known.keys()):
            return False
        return all(self._is(known[key], each) for key, each in value.items() if key in known)


def _is_basic(type_: Name, value: Any) -> bool:
    """A type of the prelude; `.size` is bytes, of a number as well."""
    match type_.name, value:
        case ("any", _) | ("null", None) | ("bool" | "true", True) | ("bool" | "false", False):
            return True
        case ("tstr", str()) | ("bstr", bytes()):
            return type_.size is None or len(value) == type_.size
        case ("uint" | "int", int()) if type(value) is int and (value >= 0 or type_.name == "int"):
            return type_.size is None or value < 1 << 8 * type_.size
    return False
