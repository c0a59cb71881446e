"""Tables for a terminal."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from harness.output.terminal.table import text_table


@pytest.mark.parametrize("width", [30, 80])
def test_a_name_is_whole_at_any_width(width: int) -> None:
    name, figures = "container-haproxy-least-connections-x3", [f"{number} MiB" for number in range(4)]
    table = text_table("Figures", "variant", "a", "b", "c", "d")
    table.add_row(name, *figures)
    out = io.StringIO()
    Console(file=out, width=width).print(table)
    first_cells = [line.split("│")[1].strip() for line in out.getvalue().splitlines() if line.startswith("│")]
    assert "".join(first_cells) == name
    assert "…" not in out.getvalue()
