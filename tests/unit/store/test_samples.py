"""The raw requests of one attempt come back as they were, words instead of codes."""

from __future__ import annotations

import errno
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from harness.errors import StoreError
from harness.load.recorder import CACHE_WORDS, SAMPLE_DTYPE, Outcome, Phase
from harness.store import samples, words
from harness.store.folder import CampaignFolder
from tests.unit.analysis.synthetic import manifest
from tests.unit.analysis.synthetic_records import record

TASKS = ["GET /", "POST /echo", "item"]
REGIONS = ["near", "far"]


def some_requests(count: int = 3) -> np.ndarray:
    found = np.zeros(count, dtype=SAMPLE_DTYPE)
    found["task"] = np.arange(count) % len(TASKS)
    return found


@given(raw=arrays.arrays(SAMPLE_DTYPE, st.integers(0, 20)))
def test_what_was_written_is_read(tmp_path_factory: pytest.TempPathFactory, raw: np.ndarray) -> None:
    raw["phase"] %= len(words.PHASES)
    raw["outcome"] %= len(words.OUTCOMES)
    raw["task"] %= len(TASKS)
    raw["region"] %= len(REGIONS)
    raw["cache"] %= len(samples.CACHE)
    path = tmp_path_factory.mktemp("samples") / "samples.parquet"
    samples.write(path, raw, TASKS, REGIONS)
    found = samples.read(path)
    assert list(found.columns) == list(samples.COLUMNS)
    for name in ("intended_ns", "sent_ns", "done_ns", "status", "bytes"):
        assert found[name].tolist() == raw[name].tolist()
    assert found["phase"].tolist() == [words.PHASES[code] for code in raw["phase"]]
    assert found["outcome"].tolist() == [words.OUTCOMES[code] for code in raw["outcome"]]
    assert found["task"].tolist() == [TASKS[code] for code in raw["task"]]
    assert found["region"].tolist() == [REGIONS[code] for code in raw["region"]]
    assert found["cache"].tolist() == [samples.CACHE[code] for code in raw["cache"]]
    assert [file.name for file in path.parent.iterdir()] == [path.name]


def test_without_regions_the_place_is_empty(tmp_path: Path) -> None:
    samples.write(tmp_path / "s.parquet", some_requests(), TASKS)
    found = samples.read(tmp_path / "s.parquet")
    assert set(found["region"]) == {""}
    assert set(found["cache"]) == {"none"}


def test_a_file_of_before_regions_and_caches_is_read_as_having_none(tmp_path: Path) -> None:
    path = tmp_path / "s.parquet"
    samples.write(path, some_requests(), TASKS, REGIONS)
    pq.write_table(pq.read_table(path).drop_columns(["region", "cache"]), path)
    found = samples.read(path)
    assert list(found.columns) == list(samples.COLUMNS)
    assert found["region"].tolist() == [""] * 3
    assert found["cache"].tolist() == ["none"] * 3


def test_the_words_are_the_generators() -> None:
    assert tuple(phase.name.lower() for phase in Phase) == words.PHASES
    assert tuple(outcome.name.lower() for outcome in Outcome) == words.OUTCOMES
    assert CACHE_WORDS == samples.CACHE


def test_a_failed_attempt_has_an_empty_frame(tmp_path: Path) -> None:
    folder = CampaignFolder.create(tmp_path / "c", manifest(["process"], [1.0]))
    attempt = record("process", "1 rps", 1.0, 1, 1, np.random.default_rng(1))
    found = folder.samples(attempt)
    assert list(found.columns) == list(samples.COLUMNS)
    assert len(found) == 0


def test_samples_are_kept_below_the_campaign(tmp_path: Path) -> None:
    folder = CampaignFolder.create(tmp_path / "c", manifest(["process"], [1.0]))
    kept = folder.write_samples("b1-01-process-a1", some_requests(), TASKS)
    attempt = replace(record("process", "1 rps", 1.0, 1, 1, np.random.default_rng(1)), samples=kept)
    assert (folder.path / kept).is_relative_to(folder.path / "trials")
    assert folder.samples(attempt)["task"].tolist() == TASKS
    (folder.path / kept).write_bytes(b"PAR1 no more")
    with pytest.raises(StoreError) as caught:
        folder.samples(attempt)
    assert attempt.trial in caught.value.what
    assert kept in caught.value.remedy
    (folder.path / kept).unlink()
    with pytest.raises(StoreError):
        folder.samples(attempt)


def test_a_full_disk_leaves_no_half_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = CampaignFolder.create(tmp_path / "c", manifest(["process"], [1.0]))

    def fill(_table: object, where: Path, **_options: object) -> None:
        where.write_bytes(b"PAR1")
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(pq, "write_table", fill)
    with pytest.raises(StoreError) as caught:
        folder.write_samples("b1-01-process-a1", some_requests(), TASKS)
    assert "--resume" in caught.value.remedy
    assert list((folder.path / "trials" / "b1-01-process-a1").iterdir()) == []
