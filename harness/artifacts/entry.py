"""An entry of the artifact cache: what stands beside a root file system's archive."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from harness.errors import BuildError

BUILDER_VERSION = 1
"""Part of every key: to be raised when the same inputs shall give another tree."""

_FILE = "artifact.json"


class EntryRecord(BaseModel):
    """``artifact.json``: what the archive is and came from. ``accounts`` are its /etc/passwd and /etc/group."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    builder: int = BUILDER_VERSION
    key: str
    source: str
    digest: str
    tar_bytes: int
    inputs: dict[str, str]
    packages: dict[str, str] = Field(default_factory=dict)
    accounts: dict[str, str] = Field(default_factory=dict)
    argv: tuple[str, ...] = ()
    env: tuple[tuple[str, str], ...] = ()
    workdir: str = ""
    user: str = ""
    ports: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Inputs:
    """Everything that decides what a build gives, by name. Equal inputs have equal keys."""

    values: dict[str, str] = field(default_factory=dict)

    @property
    def key(self) -> str:
        """32 hexadecimal digits, usable as a folder's name."""
        text = json.dumps({"builder": str(BUILDER_VERSION), **self.values}, sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:32]


def write_entry(folder: Path, record: EntryRecord) -> None:
    """Write the record into an entry that is being made."""
    (folder / _FILE).write_text(record.model_dump_json(indent=2) + "\n", "utf-8")


def read_entry(folder: Path) -> EntryRecord:
    """The record of a complete entry. Raises BuildError for one that somebody damaged."""
    try:
        return EntryRecord.model_validate_json((folder / _FILE).read_text("utf-8"))
    except (OSError, ValidationError) as error:
        raise BuildError(
            f"the cache entry {folder} is damaged: {error}".splitlines()[0], f"run: rm -r {folder}; then try again"
        ) from error
