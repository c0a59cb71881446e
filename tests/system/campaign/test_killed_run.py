"""A campaign from end to end, killed twice on the way by ``kill -9``.

A sweep takes away all that a killed run left and nothing else, a resume completes the plan, and what was measured is
shown and reported.
"""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Iterator, Sequence
from itertools import count
from pathlib import Path

import pytest

from harness.artifacts.packagings.image import ensure_image
from harness.planning.plan import plan
from harness.records.trial import TrialRecord
from harness.spec.experiment import Experiment
from tests.support import hello
from tests.support.command import Running, started, tare, trials
from tests.support.strangers import Strangers, strangers
from tests.support.traces import traces

pytestmark = [pytest.mark.alone, pytest.mark.timeout(1500)]

ORDER = ["process", "container", "container-varnish", "vm"]
EXPERIMENT = """
name = "killed"
question = "What does a killed campaign leave?"
workload = "hello"
baseline = "process"
repeats = 1
seed = {seed}
settle_s = 0

[matrix]
targets = ["process", "container", "vm"]
proxies = ["direct", "varnish"]
exclude = [{{ target = "process", proxy = "varnish" }}, {{ target = "vm", proxy = "varnish" }}]

[load]
rates_rps = [50]
warmup_s = 0.2
duration_s = 1
capacity_s = 0.2
null_steps = 2

[validity] # this is not about figures, and the host may be busy with other tests
min_achieved_share = 0.01
max_send_lag_ms = 60_000
max_generator_busy = 1
max_steal = 1
"""


@pytest.fixture(scope="module")
def them(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Strangers]:
    with strangers(ensure_image(hello.build()), tmp_path_factory.mktemp("strangers")) as made:
        yield made


@pytest.fixture
def before(them: Strangers, tmp_path: Path) -> Iterator[frozenset[str]]:
    """What looks like ours before there is anything of ours. Nothing is left either if the test fails."""
    them.state()
    yield traces()
    tare(tmp_path / "last", "sweep")


@pytest.mark.core
def test_a_killed_run_is_swept_and_completed(them: Strangers, before: frozenset[str], tmp_path: Path) -> None:
    theirs = them.state()
    campaign = tmp_path / "campaign"

    with started(tmp_path / "first", "run", experiment(tmp_path), "--out", campaign) as running:
        left = killed(running, "b1-02-container", r"container .* running", before)
    assert left >= {"container", "network", "namespace", "link", "rule"}
    assert_swept(tmp_path / "sweep1", before)
    assert them.state() == theirs
    assert outcomes(trials(campaign)) == [("b1-01-process", 1, True)]

    with started(tmp_path / "second", "run", "--resume", campaign) as running:
        left = killed(running, "b1-04-vm", "domain ", before)
    assert left >= {"domain", "process", "namespace", "link", "rule", "folder"}
    assert_swept(tmp_path / "sweep2", before)
    assert them.state() == theirs

    ended = tare(tmp_path / "third", "run", "--resume", campaign)
    assert ended.code == 0, ended
    assert "3 of 4 trials are done already" in ended.out
    assert outcomes(trials(campaign)) == [(f"b1-{number:02d}-{name}", 1, True) for number, name in enumerate(ORDER, 1)]
    assert (campaign / "report.html").stat().st_size > 100_000
    assert traces() == before
    assert_shown(tmp_path / "shown", campaign)
    assert_reported(tmp_path / "reported", campaign)
    assert_nothing_to_sweep(tmp_path / "sweep3")
    assert them.state() == theirs


def experiment(folder: Path) -> Path:
    """The experiment's file, with a seed that gives its trials the order of ``ORDER``."""
    for seed in count():
        text = EXPERIMENT.format(seed=seed)
        planned = plan(Experiment.model_validate(tomllib.loads(text)))
        if [trial.variant.name for trial in planned.trials] == ORDER:
            break
    file = folder / "killed.toml"
    file.write_text(text, "utf-8")
    return file


def killed(running: Running, trial: str, sign: str, before: frozenset[str]) -> set[str]:
    """Kill it in that trial, as soon as it leaves a trace that matches. Returns the kinds of all that it left."""
    running.until_printed(rf"^\[.*\] {trial} …")
    running.until(lambda: any(re.match(sign, trace) for trace in traces() - before))
    running.kill()
    return kinds(traces() - before)


def kinds(found: frozenset[str]) -> set[str]:
    return {each.partition(" ")[0] for each in found}


def assert_swept(folder: Path, before: frozenset[str]) -> None:
    """One sweep removes everything, and a second one finds nothing."""
    swept = tare(folder, "sweep")
    assert swept.code == 0, swept
    assert swept.out.count("removed ") == len(swept.out.splitlines())
    assert traces() == before, swept.out
    assert_nothing_to_sweep(folder)


def assert_nothing_to_sweep(folder: Path) -> None:
    again = tare(folder, "sweep")
    assert (again.code, again.out) == (0, "Nothing was left behind.\n")


def assert_shown(folder: Path, campaign: Path) -> None:
    """Every variant has its figures, and the one behind a cache has what the cache was asked."""
    ended = tare(folder, "show", campaign, "--json")
    assert ended.code == 0, ended
    shown = {variant["name"]: variant for variant in json.loads(ended.out)["variants"]}
    assert set(shown) == set(ORDER)
    for variant in shown.values():
        assert (variant["trials"], variant["valid"]) == (1, 1)
        assert {"startup_s", "memory_mib", "latency_p50_ms", "achieved_rps"} <= set(variant["metrics"])


def assert_reported(folder: Path, campaign: Path) -> None:
    """A report that is asked for is written, of the same campaign."""
    ended = tare(folder, "report", campaign, "--output", folder / "again.html")
    assert ended.code == 0, ended
    assert (folder / "again.html").stat().st_size > 100_000


def outcomes(records: Sequence[TrialRecord]) -> list[tuple[str, int, bool]]:
    return [(record.trial, record.attempt, record.valid) for record in records]
