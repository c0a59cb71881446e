"""What a request may be called. Apart from the files that hold requests, since a verdict needs the words alone."""

from __future__ import annotations

PHASES = ("warmup", "measured", "tail", "capacity")
OUTCOMES = ("ok", "dropped", "error", "unexpected")
