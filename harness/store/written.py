"""Records as JSON. They are plain types; pydantic reads and writes them."""

from __future__ import annotations

from typing import Any, TypeVar

from pydantic import ConfigDict, TypeAdapter, with_config

Kind = TypeVar("Kind")

_adapters: dict[type, TypeAdapter[Any]] = {}


def read_record(kind: type[Kind], data: object) -> Kind:
    """A record from plain data. Raises ValidationError for wrong types and for keys that are missing or unknown.

    So an older reader never misreads a newer folder.
    """
    found: Kind = _adapter(kind).validate_python(data)
    return found


def plain(record: object) -> dict[str, Any]:
    """The record as what JSON can hold."""
    found: dict[str, Any] = _adapter(type(record)).dump_python(record, mode="json")
    return found


def _adapter(kind: type) -> TypeAdapter[Any]:
    # Made when it is first needed, because it takes a while.
    if kind not in _adapters:
        # What a record holds takes this rule over from it.
        _adapters[kind] = TypeAdapter(with_config(ConfigDict(extra="forbid"))(kind))
    return _adapters[kind]
