"""``tare cache simulate``: what it prints, and what it says of a wrong request."""

from __future__ import annotations

import json
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import pytest

from harness.cli import simulate as cache
from harness.cli.main import run_command
from harness.simulation import simulate as simulating
from harness.simulation.catalogue import Catalogue
from harness.simulation.curves import Curves
from harness.simulation.simulate import SimulationFailure
from harness.simulation.sizes import CacheSize
from harness.simulation.traces import Trace
from harness.spec.experiment import Experiment
from harness.spec.sequence import SequenceSpec
from tests.unit.simulation.curves import curves

ZIPF = "zipf:requests=1000,objects=100,exponent=0.9"


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, object]]:
    """Instead of simulating: what was asked for."""
    found: list[dict[str, object]] = []

    def simulate(source: object, name: str, policies: object, sizes: object, **options: object) -> object:
        found.append({"source": source, "policies": policies, "sizes": sizes, **options})
        return curves(name)

    monkeypatch.setattr(cache, "miss_ratio_curves", simulate)
    return found


def test_it_prints_a_table_and_what_was_left_out(
    asked: list[dict[str, object]], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_command(["cache", "simulate", "[b].csv", "--policies", "LRU,FIFO", "--warm-up", "10%"]) == 0
    shown = capsys.readouterr()
    assert shown.err == ""
    assert "2 bad records left out: line 3: it is empty; line 9: it is empty\n" in shown.out
    assert "[b].csv: 1,000,000 requests, 5,000 objects, a footprint of 1,000,000 bytes." in shown.out
    assert "0.90000 / 0.95000" in shown.out
    assert "Belady knows the future" in shown.out
    source = asked[0]["source"]
    assert isinstance(source, Trace)
    assert (source.format, source.bad.limit, asked[0]["warm_up"], asked[0]["jobs"]) == (
        "csv",
        100,
        Fraction(1, 10),
        None,
    )


def test_json_is_json_alone_and_a_page_can_be_written_as_well(
    asked: list[dict[str, object]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    page = tmp_path / "made" / "curves.html"
    assert run_command(["cache", "simulate", ZIPF, "--json", "-o", str(page), "--jobs", "1"]) == 0
    shown = capsys.readouterr()
    assert shown.err == ""
    assert json.loads(shown.out)["source"] == ZIPF
    assert ZIPF in page.read_text("utf-8")
    assert asked[0]["source"] == SequenceSpec(requests=1000, objects=100, exponent=0.9)
    assert asked[0]["jobs"] == 1


def test_a_page_is_named_last(
    asked: list[dict[str, object]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    page = tmp_path / "curves.html"
    assert run_command(["cache", "simulate", ZIPF, "-o", str(page)]) == 0
    assert asked
    assert capsys.readouterr().out.splitlines()[-1] == f"Report: {page}"


EXPERIMENT = """
name = "it"
question = "What is kept?"
workload = "objects"
baseline = "process-varnish-1pc"
matrix = { targets = ["process"], proxies = ["varnish"], cache_shares = [0.01] }
load = { replay = { requests = 100, warmup = 10 } }
[sequences]
one = { requests = 1000, objects = 100, exponent = 0.9 }
other = { requests = 1000, objects = 100, exponent = 0.9, seed = 2 }
[quick]
load = { replay = { requests = 50, warmup = 10 } }
"""
WORKLOAD = """
name = "objects"
catalogue = { objects = 200 }
[rootfs]
catalogue = "catalogue.u32"
[service]
argv = ["/bin/true"]
port = 80
ready = { path = "/" }
"""


@pytest.fixture
def experiment(tmp_path: Path) -> Path:
    file, workload = tmp_path / "benches" / "it.toml", tmp_path / "workloads" / "objects" / "workload.toml"
    for path, text in ((file, EXPERIMENT), (workload, WORKLOAD)):
        path.parent.mkdir(parents=True)
        path.write_text(text)
    (workload.parent / "app").mkdir()
    (workload.parent / "locustfile.py").touch()
    return file


@pytest.fixture
def simulated(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, list[str]]]:
    """Instead of simulating: the replay's requests and the sizes that were asked for."""
    found: list[tuple[int, list[str]]] = []

    def simulate(
        experiment: Experiment, catalogue: Catalogue, _policies: object, sizes: Sequence[CacheSize], **_options: object
    ) -> tuple[Curves, ...]:
        assert catalogue.objects == 200
        assert experiment.load.replay is not None
        found.append((experiment.load.replay.requests, [size.text for size in sizes]))
        assert all(size.share is None for size in sizes)
        return tuple(curves(name) for name in experiment.sequences)

    monkeypatch.setattr(cache, "experiment_curves", simulate)
    return found


def test_an_experiments_sequences_are_simulated_each(
    experiment: Path, simulated: list[tuple[int, list[str]]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    page = tmp_path / "curves.html"
    assert run_command(["cache", "simulate", str(experiment), "-o", str(page)]) == 0
    shown = capsys.readouterr().out
    assert "one: 1,000,000 requests" in shown
    assert "other: 1,000,000 requests" in shown
    assert shown.splitlines()[-1] == f"Report: {tmp_path / 'curves-other.html'}"
    assert (tmp_path / "curves-one.html").exists()
    assert run_command(["cache", "simulate", str(experiment), "--quick", "--sizes", "2%,1MiB", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["experiment"], list(found["sequences"])) == ("it", ["one", "other"])
    assert simulated == [(100, ["1%"]), (50, ["2%", "1MiB"])]


@pytest.mark.parametrize(
    ("options", "what"),
    [
        (["--warm-up", "10%"], "--format and --warm-up are not for experiments."),
        (["--format", "csv"], "--format and --warm-up are not for experiments."),
    ],
)
def test_what_an_experiment_says_itself_is_not_an_option(
    experiment: Path, capsys: pytest.CaptureFixture[str], options: list[str], what: str
) -> None:
    assert run_command(["cache", "simulate", str(experiment), *options]) == 2
    assert capsys.readouterr().err.startswith(f"Error: {what}\nTry: ")


def test_a_workload_without_a_catalogue_has_nothing_to_simulate(
    experiment: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = experiment.parents[1] / "workloads" / "objects" / "workload.toml"
    file.write_text("\n".join(line for line in WORKLOAD.splitlines() if not line.startswith("catalogue")))
    assert run_command(["cache", "simulate", str(experiment)]) == 2
    assert capsys.readouterr().err.startswith("Error: objects has no catalogue of objects.\nTry: ")


def test_a_simulation_without_a_result_is_a_failure(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    failed = curves(failures=(SimulationFailure("LFUDA", 1_000, "it ended by SIGSEGV", "log"),))
    monkeypatch.setattr(cache, "miss_ratio_curves", lambda *_, **__: failed)
    assert run_command(["cache", "simulate", ZIPF]) == 1
    shown = capsys.readouterr().out
    assert "no result" in shown
    assert "LFUDA at 1,000 bytes has no result: it ended by SIGSEGV." in shown


def test_without_the_library_it_says_how_to_get_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(simulating, "LIBRARY", "no_such_library")
    assert run_command(["cache", "simulate", ZIPF]) == 3
    first, second = capsys.readouterr().err.splitlines()
    assert first == "Error: simulating caches needs libCacheSim, an optional extra that is not installed"
    assert second.startswith("Try: ")
    assert "pip install 'libcachesim" in second


@pytest.mark.parametrize(
    ("arguments", "what"),
    [
        (["cache"], "Missing command."),
        (["cache", "simulate"], "Missing argument 'TRACE|EXPERIMENT.toml|zipf:KEY=VALUE,...'."),
        (["cache", "simulate", "trace.bin"], "The format of trace.bin is not known from its name."),
        (["cache", "simulate", "a.csv", "--format", "x"], "There is no trace format 'x'."),
        (["cache", "simulate", ZIPF, "--format", "csv"], "--format is for trace files."),
        (["cache", "simulate", ZIPF, "--policies", "MRU"], "There is no policy 'MRU'."),
        (["cache", "simulate", ZIPF, "--sizes", "0%"], "The cache size 0% is not above 0 % and at most 100 %."),
        (["cache", "simulate", ZIPF, "--warm-up", "100%"], "--warm-up '100%' is not a share."),
        (["cache", "simulate", "zipf:objects=1,exponent=1"], "zipf:objects=1,exponent=1: requests is missing."),
        (["cache", "simulate", ZIPF, "--quick"], "--quick is for experiments."),
        (["cache", "simulate", ZIPF, "--jobs", "0"], "Invalid value for '--jobs': 0 is not in the range x>=1."),
    ],
)
def test_a_wrong_request_is_two_lines(capsys: pytest.CaptureFixture[str], arguments: list[str], what: str) -> None:
    assert run_command(arguments) == 2
    shown = capsys.readouterr()
    first, second = shown.err.splitlines()
    assert (shown.out, first) == ("", f"Error: {what}")
    assert second.startswith("Try: ")


def test_the_trace_is_named_that_is_not_there(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("harness.simulation.curves.require_library", lambda: None)
    assert run_command(["cache", "simulate", str(tmp_path / "a.csv")]) == 2
    assert capsys.readouterr().err.startswith(f"Error: There is no file {tmp_path / 'a.csv'}.\nTry: ")
