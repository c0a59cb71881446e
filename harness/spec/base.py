"""What every model of a file has in common: unknown keys are refused, and a validated model never changes."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints


class SpecModel(BaseModel):
    """A frozen model of a table in a TOML file."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


Name = Annotated[str, StringConstraints(pattern=r"^[a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?$")]
"""A name that may become part of a host, file, container or domain name: none of these ends in a hyphen."""

Port = Annotated[int, Field(ge=1, le=65535)]
Seconds = Annotated[float, Field(gt=0, le=3600, strict=False)]
SecondsOrZero = Annotated[float, Field(ge=0, le=3600, strict=False)]
Share = Annotated[float, Field(gt=0, le=1, strict=False)]
Rate = Annotated[float, Field(gt=0, le=1_000_000, strict=False)]
