"""Dataclasses ↔ what JSON can hold, by their annotations."""

from __future__ import annotations

import types
from dataclasses import MISSING, fields, is_dataclass
from datetime import datetime
from enum import Enum
from functools import cache
from typing import Any, TypeVar, Union, cast, get_args, get_origin, get_type_hints

T = TypeVar("T")


def to_json(value: Any) -> Any:
    """A value as JSON can hold it; fields that stand at their default are left out."""
    if is_dataclass(value) and not isinstance(value, type):
        return {
            field.name: to_json(content)
            for field in fields(value)
            if (content := getattr(value, field.name)) != field.default
        }
    if isinstance(value, tuple):
        return [to_json(entry) for entry in value]
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, Enum):
        return value.value
    return value


def from_json(kind: type[T], value: Any) -> T:
    """What `to_json` made of a `kind`.

    Raises:
        ValueError: it is no such thing.
    """
    return cast(T, _read(kind, value, {}))


@cache
def _hints(kind: type) -> dict[str, Any]:
    return get_type_hints(kind)


def _read(kind: Any, value: Any, variables: dict[Any, Any]) -> Any:
    kind = variables.get(kind, kind)
    origin, arguments = get_origin(kind), get_args(kind)
    if origin in (Union, types.UnionType):
        return _alternative(arguments, value, variables)
    if origin is tuple:
        return _tuple(arguments, value, variables)
    plain = origin or kind
    if isinstance(plain, type) and is_dataclass(plain):
        parameters = getattr(plain, "__parameters__", ())
        inner = {
            name: variables.get(one, one) for name, one in zip(parameters, arguments, strict=False)
        }
        return _dataclass(plain, value, inner)
    if plain is datetime and isinstance(value, str):
        return datetime.fromisoformat(value)
    if isinstance(plain, type) and issubclass(plain, Enum):
        return plain(value)
    if plain is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if type(value) is not plain:
        raise ValueError(f"{value!r} is no {plain}")
    return value


def _alternative(arguments: tuple[Any, ...], value: Any, variables: dict[Any, Any]) -> Any:
    if value is None and type(None) in arguments:
        return None
    (kind,) = (one for one in arguments if one is not type(None))
    return _read(kind, value, variables)


def _tuple(arguments: tuple[Any, ...], value: Any, variables: dict[Any, Any]) -> Any:
    if not isinstance(value, list):
        raise ValueError(f"{value!r} is no list")
    if arguments[1:] == (...,):
        arguments = (arguments[0],) * len(value)
    if len(arguments) != len(value):
        raise ValueError(f"{value!r} has {len(value)} entries")
    return tuple(_read(one, entry, variables) for one, entry in zip(arguments, value, strict=True))


def _dataclass(kind: type, value: Any, variables: dict[Any, Any]) -> Any:
    if not isinstance(value, dict):
        raise ValueError(f"{value!r} is no {kind.__name__}")
    hints = _hints(kind)
    given = {}
    for field in fields(kind):
        if field.name in value:
            given[field.name] = _read(hints[field.name], value[field.name], variables)
        elif field.default is MISSING:
            raise ValueError(f"{kind.__name__} without {field.name}")
    return kind(**given)
