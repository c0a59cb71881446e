"""One campaign's folder: ``manifest.json`` once, ``journal.jsonl`` a line per event, ``trials/`` samples and logs.

``simulated.json``, where policies were simulated, can be made again from the experiment at any time.

A journal line is flushed and fsynced before the next trial begins, so a killed campaign loses at most the trial it was
in. A last line that was torn by the kill is ignored; a bad line anywhere else is an error.
"""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Self

from pydantic import ValidationError

from harness.errors import StoreError, WrongFolder
from harness.records.cache import Simulated
from harness.records.campaign import SCHEMA, Manifest
from harness.records.load import Levels, NullFloor
from harness.records.trial import TrialRecord
from harness.runtime.atomic_file import atomic_write
from harness.spec.experiment import Experiment
from harness.store.written import plain, read_record

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

_EVENTS: dict[str, type[TrialRecord | NullFloor | Levels]] = {"trial": TrialRecord, "null": NullFloor, "levels": Levels}
_SIMULATED = "simulated.json"
_RESTORE = "Restore the file, or run the experiment again."


class CampaignFolder:
    """Reads and appends; never rewrites what was measured."""

    def __init__(self, path: Path, manifest: Manifest) -> None:
        self.path = path
        self.manifest = manifest

    @classmethod
    def create(cls, path: Path, manifest: Manifest) -> Self:
        """A new folder. Raises WrongFolder if it holds a campaign already, StoreError if it cannot be written."""
        cls.must_be_new(path)
        try:
            (path / "trials").mkdir(parents=True, exist_ok=True)
            with atomic_write(path / "manifest.json") as partial:
                partial.write_text(json.dumps(plain(manifest), indent=2, ensure_ascii=False) + "\n", "utf-8")
            (path / "journal.jsonl").touch()
        except OSError as error:
            raise _cannot_write(path, error) from error
        return cls(path, manifest)

    @staticmethod
    def must_be_new(path: Path) -> None:
        """Raise WrongFolder if ``path`` holds a campaign already."""
        if (path / "manifest.json").exists():
            raise WrongFolder(f"{path} holds a campaign already.", "Choose another folder with --out, or --resume it.")

    @classmethod
    def open(cls, path: Path) -> Self:
        """An existing folder. Raises WrongFolder if there is none, StoreError if another version of Tare wrote it."""
        file = path / "manifest.json"
        try:
            data = json.loads(file.read_text("utf-8"))
        except (FileNotFoundError, NotADirectoryError) as error:
            what = f"{path} holds no campaign (no manifest.json)."
            raise WrongFolder(what, "Name a folder that `tare run` printed.") from error
        except (OSError, ValueError) as error:
            raise StoreError(f"{file} cannot be read: {error}.", _RESTORE) from error
        written_by = data.get("schema_version") if isinstance(data, dict) else None
        if written_by != SCHEMA:
            raise StoreError(
                f"{path} has schema version {written_by}; this Tare reads version {SCHEMA}.",
                "Use the version of Tare that its manifest names, or run the experiment again.",
            )
        try:
            return cls(path, read_record(Manifest, data))
        except ValidationError as error:
            raise StoreError(f"{file} is not a manifest: {_first(error)}.", _RESTORE) from error

    def experiment(self) -> Experiment:
        """The experiment as it was run. Raises StoreError if the manifest holds no valid one."""
        try:
            return Experiment.of_stored(self.manifest.experiment)
        except ValueError as error:
            raise StoreError(f"{self.path / 'manifest.json'} holds no valid experiment: {error}.", _RESTORE) from error

    def append(self, event: TrialRecord | NullFloor | Levels) -> None:
        """Add one line to the journal, durably. Raises StoreError if the disk refuses."""
        kind = next(name for name, model in _EVENTS.items() if isinstance(event, model))
        line = json.dumps({"event": kind, "data": plain(event)}, separators=(",", ":"))
        try:
            self._drop_torn_line()
            with (self.path / "journal.jsonl").open("a", encoding="utf-8") as file:
                file.write(line + "\n")
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise _cannot_write(self.path, error) from error

    def trials(self) -> list[TrialRecord]:
        """Every attempt, in the order in which they ended."""
        return [event for event in self._events() if isinstance(event, TrialRecord)]

    def null_floor(self) -> NullFloor | None:
        """The last calibration of the instrument, if there was one."""
        found = [event for event in self._events() if isinstance(event, NullFloor)]
        return found[-1] if found else None

    def levels(self) -> Levels | None:
        """The load levels in requests per second, once they are known."""
        found = [event for event in self._events() if isinstance(event, Levels)]
        return found[-1] if found else None

    def simulated(self) -> Simulated | None:
        """What eviction policies would keep; None if nobody asked. Raises StoreError if the file is damaged."""
        file = self.path / _SIMULATED
        try:
            return read_record(Simulated, json.loads(file.read_bytes()))
        except FileNotFoundError:
            return None
        except (OSError, ValueError) as error:
            what = _first(error) if isinstance(error, ValidationError) else str(error)
            raise StoreError(
                f"{file} cannot be read: {what}.", f"Remove it, then: tare run --resume {self.path}"
            ) from error

    def write_simulated(self, simulated: Simulated) -> None:
        """Keep what was simulated, in place of what was before. Raises StoreError if the disk refuses."""
        try:
            with atomic_write(self.path / _SIMULATED) as partial:
                partial.write_text(json.dumps(plain(simulated), indent=1, ensure_ascii=False) + "\n", "utf-8")
        except OSError as error:
            raise _cannot_write(self.path, error) from error

    def write_samples(self, name: str, requests: np.ndarray, tasks: Sequence[str], regions: Sequence[str] = ()) -> str:
        """Keep the raw requests of one attempt. Returns the file's path relative to the folder."""

        from harness.store import samples as sample_files

        relative = f"trials/{name}/samples.parquet"
        try:
            (self.path / relative).parent.mkdir(parents=True, exist_ok=True)
            sample_files.write(self.path / relative, requests, list(tasks), regions)
        except OSError as error:
            raise _cannot_write(self.path, error) from error
        return relative

    def samples(self, record: TrialRecord) -> pd.DataFrame:
        """The raw requests of one attempt (harness.store.samples names the columns); empty if it has none."""

        from harness.store import samples as sample_files

        if record.samples is None:
            return sample_files.empty()
        try:
            return sample_files.read(self.path / record.samples)
        except (OSError, ValueError) as error:
            raise StoreError(
                f"The samples of {record.trial} cannot be read: {error}.", f"Restore {record.samples}, or run it again."
            ) from error

    def trial_folder(self, name: str) -> Path:
        """The folder of one attempt's files: samples, logs."""
        folder = self.path / "trials" / name
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise _cannot_write(self.path, error) from error
        return folder

    def _drop_torn_line(self) -> None:
        journal = self.path / "journal.jsonl"
        with journal.open("rb+") as file:
            content = file.read()
            if content and not content.endswith(b"\n"):
                file.truncate(content.rfind(b"\n") + 1)

    def _events(self) -> Iterator[TrialRecord | NullFloor | Levels]:
        journal = self.path / "journal.jsonl"
        try:
            text = journal.read_bytes()
        except FileNotFoundError:
            return
        except OSError as error:
            raise StoreError(f"{journal} cannot be read: {error}.", "Restore the file.") from error
        whole_lines = text.split(b"\n")[:-1]
        for number, line in enumerate(whole_lines, start=1):
            try:
                entry = json.loads(line)
                yield read_record(_EVENTS[entry["event"]], entry["data"])
            except (ValueError, KeyError, TypeError) as error:
                raise StoreError(f"{journal}, line {number} is damaged.", _RESTORE) from error


def newest(results: Path) -> Path:
    """The folder of the campaign that was created last below ``results``. Raises WrongFolder if there is none.

    Whether this version of Tare can read it shows when it is opened; an old one that it cannot read is in nobody's way.
    """
    found = [manifest.parent for manifest in results.glob("*/manifest.json")]
    if not found:
        raise WrongFolder(f"There is no campaign in {results}.", "Run one: tare run benches/quickstart.toml")
    return max(found, key=lambda folder: (_created(folder), folder.name))


def _created(folder: Path) -> str:
    """When the campaign was created; the oldest of all where its manifest cannot tell, which ``open`` then explains."""
    try:
        return str(json.loads((folder / "manifest.json").read_text("utf-8"))["created_utc"])
    except (OSError, ValueError, KeyError, TypeError):
        return ""


def _cannot_write(path: Path, error: OSError) -> StoreError:
    if error.errno not in (errno.ENOSPC, errno.EDQUOT):
        remedy = "Choose a writable folder with --out."
    elif (path / "manifest.json").exists():
        remedy = f"Free some disk space, then: tare run --resume {path}"
    else:
        remedy = "Free some disk space, or choose a folder on another disk with --out."
    detail = os.strerror(error.errno) if error.errno else error
    return StoreError(f"Cannot write to {path}: {detail}.", remedy)


def _first(error: ValidationError) -> str:
    problem = error.errors()[0]
    return f"{'.'.join(map(str, problem['loc']))}: {problem['msg']}"
