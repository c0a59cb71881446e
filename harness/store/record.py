"""What every record of a campaign's folder has in common."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Record(BaseModel):
    """Frozen, and strict about unknown keys, so that an older reader never misreads a newer folder."""

    model_config = ConfigDict(extra="forbid", frozen=True)
