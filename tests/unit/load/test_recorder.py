from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from harness.errors import LoadError, StoreError
from harness.load.plan import Windows
from harness.load.recorder import (
    SAMPLE_DTYPE,
    Cache,
    Outcome,
    Phase,
    Recorder,
    Sample,
    read_run,
    read_samples,
    sidecar_path,
)
from harness.load.result import LoadResult

WINDOWS = Windows(0, 0, 10**9, 10**9)


def test_what_is_written_is_read(tmp_path: Path) -> None:
    recorder = Recorder(1, ["near", "far"])
    for number in range(3000):  # beyond the room that was made
        task = recorder.task(f"t{number % 3}")
        times = (number, number + 1, number + 2)
        recorder.add(Sample(*times, Phase.TAIL, Outcome.OK, 200, task, number, number % 2, Cache(number % 6)))
    recorder.mark(2 * SAMPLE_DTYPE.itemsize, Outcome.UNEXPECTED)
    path = tmp_path / "s.bin"
    recorder.write(path, {"interrupted": False})
    samples, tasks, facts = read_run(path)
    assert samples.dtype == SAMPLE_DTYPE
    assert (tasks, facts) == (["t0", "t1", "t2"], {"interrupted": False})
    assert (samples["intended_ns"] == np.arange(3000)).all()
    assert (samples["bytes"] == np.arange(3000)).all()
    assert (samples["task"] == np.arange(3000) % 3).all()
    assert samples["outcome"].sum() == Outcome.UNEXPECTED
    assert samples["outcome"][2] == Outcome.UNEXPECTED
    assert set(samples["status"]) == {200}
    assert set(samples["phase"]) == {Phase.TAIL}
    assert (samples["region"] == np.arange(3000) % 2).all()
    assert (samples["cache"] == np.arange(3000) % 6).all()
    sidecar = json.loads(sidecar_path(path).read_text())
    assert (sidecar["schema"], sidecar["regions"]) == (2, ["near", "far"])


def test_half_a_file_is_refused(tmp_path: Path) -> None:
    recorder = Recorder(1)
    recorder.add(Sample(1, 2, 3, 0, 0, 200, recorder.task("t"), 0))
    path = tmp_path / "s.bin"
    with pytest.raises(StoreError):
        read_samples(path)
    recorder.write(path, {})
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(StoreError):
        read_samples(path)


def result(rows: Sequence[tuple[int, int, int, int, int, str]], facts: dict[str, object]) -> LoadResult:
    recorder = Recorder(len(rows))
    for intended, sent, done, phase, outcome, task in rows:
        recorder.add(Sample(intended, sent, done, phase, outcome, 200, recorder.task(task), 0))
    names = list(dict.fromkeys(row[5] for row in rows))
    return LoadResult.of(recorder.samples(), names, {"interrupted": False, **facts}, WINDOWS)


def test_counts_are_of_the_measured_window_and_of_arrivals() -> None:
    rows = [
        (0, 1, 2, Phase.WARMUP, Outcome.ERROR, "a"),
        (10, 15, 20, Phase.MEASURED, Outcome.OK, "a"),
        (20, 900, 920, Phase.MEASURED, Outcome.OK, "a#2"),
        (30, 40, 50, Phase.MEASURED, Outcome.UNEXPECTED, "a"),
        (35, 500, 500, Phase.MEASURED, Outcome.DROPPED, "a"),
        (37, 37, 50, Phase.MEASURED, Outcome.ERROR, "a#2"),
        (60, 61, 62, Phase.TAIL, Outcome.ERROR, "a"),
    ]
    counted = result(rows, {"scheduled": 3, "generator_busy": 0.25})
    assert (counted.scheduled, counted.completed, counted.dropped) == (3, 1, 1)
    assert (counted.errors, counted.unexpected) == (1, 1)
    assert 5 <= counted.send_lag_p99_ns <= 10  # neither the dropped one's nor a later request's
    assert counted.generator_busy == 0.25
    assert counted.capacity is None


def test_capacity_counts_answers_inside_the_window() -> None:
    rows = [
        (5, 5, 9, Phase.CAPACITY, Outcome.OK, "a"),
        (5, 5, 10, Phase.CAPACITY, Outcome.ERROR, "a"),
        (9, 9, 11, Phase.CAPACITY, Outcome.OK, "a"),
    ]
    capacity = result(rows, {"capacity": {"users": 2, "begin_ns": 0, "end_ns": 10}}).capacity
    assert capacity is not None
    assert (capacity.completed, capacity.errors, capacity.users) == (1, 1, 2)
    assert capacity.rps == 1e8


def test_an_interrupted_run_is_no_result() -> None:
    with pytest.raises(LoadError, match="interrupted"):
        result([], {"interrupted": True})


def test_a_replays_window_is_what_its_requests_say() -> None:
    rows = [
        (1, 1, 2, Phase.WARMUP, Outcome.OK, "a"),
        (5, 5, 9, Phase.MEASURED, Outcome.ERROR, "a"),
        (9, 9, 12, Phase.MEASURED, Outcome.OK, "a"),
    ]
    counted = result(rows, {"replay": {"window_begin_ns": 5, "window_end_ns": 12}})
    assert (counted.windows.window_begin_ns, counted.windows.window_end_ns, counted.windows.end_ns) == (5, 12, 12)
    assert (counted.scheduled, counted.completed, counted.errors, counted.send_lag_p99_ns) == (2, 1, 1, 0)


def test_what_caches_said_is_counted_of_the_windows_answers() -> None:
    recorder = Recorder(4)
    for phase, outcome, cache in [
        (Phase.WARMUP, Outcome.OK, Cache.HIT),
        (Phase.MEASURED, Outcome.OK, Cache.HIT),
        (Phase.MEASURED, Outcome.UNEXPECTED, Cache.STALE),
        (Phase.MEASURED, Outcome.ERROR, Cache.NONE),
    ]:
        recorder.add(Sample(1, 1, 2, phase, outcome, 200, recorder.task("a"), 0, 0, cache))
    counted = LoadResult.of(recorder.samples(), ["a"], {"interrupted": False}, WINDOWS, ["near"])
    assert {word: count for word, count in counted.cache_counts.items() if count} == {"hit": 1, "stale": 1}
    assert counted.regions == ("near",)
