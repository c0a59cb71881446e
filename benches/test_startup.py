"""Startup to the first correct response, through pytest-benchmark.

``pytest benches --benchmark-only --benchmark-autosave`` keeps the figures, ``pytest-benchmark compare`` sets two runs
side by side. What is timed is exactly a campaign's ``startup_s``, on the same target API, by the same prober; a
campaign adds interleaving, validity and the rest of the ledger.
"""

from __future__ import annotations

import itertools
from contextlib import ExitStack
from pathlib import Path

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from benches.conftest import Bench
from harness.clock import NS_PER_S, Stopwatch
from harness.records.capabilities import Family
from harness.runtime.confinement import Confinement
from harness.spec.route import STRAIGHT
from harness.targets.api import Staged
from harness.trial.instrument_factory import RealInstruments, StartupProber

ROUNDS: dict[Family, int] = {"process": 10, "container": 10, "machine": 3}
"""Fewer boots of a virtual machine: an emulated one takes some ten seconds."""

_startups_ns: list[int] = []
_numbers = itertools.count(1)


def measured_s() -> float:
    """The benchmark's clock: all startups so far, in seconds. It stands still while things are laid out or removed."""
    return sum(_startups_ns) / NS_PER_S


@pytest.mark.benchmark(timer=measured_s, group="startup")
def test_startup(benchmark: BenchmarkFixture, bench: Bench, tmp_path: Path) -> None:
    """From the trigger to the last byte of the first correct response."""
    with ExitStack() as rounds:

        def lay_out() -> tuple[tuple[Staged, StartupProber], dict[str, object]]:
            number = next(_numbers)
            tools = RealInstruments()
            scratch = tmp_path / str(number)
            scratch.mkdir()
            lab = rounds.enter_context(tools.lab(f"tare-bench-{number}"))
            at = lab.address("svc")
            service = bench.service
            prober = rounds.enter_context(
                tools.prober(
                    (str(at.ip), service.port),
                    service.ready,
                    Confinement(lab.client_netns, bench.cpus.generator),
                    STRAIGHT,
                    bench.target.probe_period_ns,
                )
            )
            staged = rounds.enter_context(bench.target.stage(service, at, scratch))
            return (staged, prober), {}

        def start(staged: Staged, prober: StartupProber) -> None:
            watch = Stopwatch()
            prober.go()
            instance = rounds.enter_context(staged.start(watch))
            result = prober.result(bench.service.ready.timeout_s, instance.alive)
            _startups_ns.append(result.first_response_ns - watch.trigger_ns)
            benchmark.extra_info["accelerator"] = instance.accelerator

        def tear_down(_staged: Staged, _prober: StartupProber) -> None:
            rounds.close()

        benchmark.pedantic(  # type: ignore[no-untyped-call]  # pytest-benchmark leaves it unannotated
            start, setup=lay_out, teardown=tear_down, rounds=ROUNDS[bench.target.family]
        )
