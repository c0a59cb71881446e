"""Rows by the values of their columns."""

from __future__ import annotations

import pandas as pd

from harness.analysis.selection import select

FRAME = pd.DataFrame({"variant": ["vm", "vm", "process"], "level": ["10 rps", "20 rps", "10 rps"], "n": [1, 2, 3]})


def test_every_value_that_is_named_must_be_there() -> None:
    assert select(FRAME, variant="vm")["n"].tolist() == [1, 2]
    assert select(FRAME, variant="vm", level="10 rps")["n"].tolist() == [1]
    assert select(FRAME, variant="container").empty
    assert select(FRAME, level=None).empty
