"""What a simulation is of unless something else is asked for, and the names of trace formats. Imports nothing."""

from __future__ import annotations

CSV = "csv"
ORACLE_GENERAL = "oracleGeneral"
FORMATS = (CSV, ORACLE_GENERAL)
MAX_BAD = 100
"""How many bad records a trace may hold unless more are accepted."""

SIZES = "0.1%,1%,10%"
"""Which cache sizes, of a trace or a sequence."""
