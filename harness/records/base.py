"""Records that have fields in common inherit them; this carries their values from one to another."""

from __future__ import annotations

from dataclasses import fields
from typing import Any


def shared(base: type, source: object) -> dict[str, Any]:
    """The fields of ``base``, a dataclass from which the class of ``source`` inherits, with the values it has."""
    return {field.name: getattr(source, field.name) for field in fields(base)}
