"""The published JSON schemas are those of the code."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.spec.__main__ import SCHEMAS, schema_text

DOCS = Path(__file__).parents[3] / "docs"


@pytest.mark.parametrize("name", SCHEMAS)
def test_the_published_schema_is_the_codes(name: str) -> None:
    assert (DOCS / name).read_text("utf-8") == schema_text(name), "renew them: tox run -e schemas"
