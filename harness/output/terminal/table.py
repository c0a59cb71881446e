"""Tables for a terminal, of any width: names are folded where they do not fit, never cut short."""

from __future__ import annotations

from rich.table import Table


def text_table(title: str, *columns: str) -> Table:
    """An empty table with these columns."""
    table = Table(title=title, title_justify="left", show_lines=False)
    for column in columns:
        table.add_column(column, overflow="fold")
    return table
