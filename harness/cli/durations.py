"""How long things take, for a person."""

from __future__ import annotations

FLOOR_S = 20.0
"""What measuring the instrument's floor takes."""


def duration_text(seconds: float) -> str:
    """A duration for a person: ``45 s``, ``3 min``."""
    return f"{max(0, round(seconds))} s" if seconds < 90 else f"{round(seconds / 60)} min"
