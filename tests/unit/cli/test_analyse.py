"""``tare show``, ``report`` and ``compare`` on campaigns that were run elsewhere."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from harness.cli.main import run_command
from harness.records.trial import TrialRecord
from tests.unit.analysis.synthetic import make_folder


def slower(made: TrialRecord) -> TrialRecord:
    """Containers start in half as much time again."""
    if made.variant.target != "container" or made.startup is None:
        return made
    startup = replace(made.startup, total_ns=int(made.startup.total_ns * 1.5))
    return replace(made, startup=startup)


@pytest.fixture(scope="module")
def before(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_folder(tmp_path_factory.mktemp("before"), seed=11, with_samples=False).path


@pytest.fixture(scope="module")
def after(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_folder(tmp_path_factory.mktemp("after"), seed=12, with_samples=False, change=slower).path


def test_show_prints_the_question_and_a_table(before: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command(["show", str(before)]) == 0
    shown = capsys.readouterr()
    assert shown.err == ""
    assert shown.out.startswith("What does a synthetic box weigh?\n")
    assert "vm (emulated)" in shown.out


def test_json_is_json_alone(before: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command(["show", str(before), "--json"]) == 0
    shown = capsys.readouterr()
    assert shown.err == ""
    data = json.loads(shown.out, parse_constant=lambda name: pytest.fail(f"{name} is not JSON"))
    assert {"campaign", "schema", "host", "experiment", "variants", "claims"} <= data.keys()


def test_without_a_folder_it_is_the_newest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("1", "2"):
        make_folder(tmp_path / "results" / name, variants=("process",), blocks=1, with_samples=False)
    assert run_command(["show", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["path"] == "results/2"


def test_a_report_is_written_where_it_is_wanted_and_its_path_alone_is_printed(
    before: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    wanted = tmp_path / "made" / "here.html"
    assert run_command(["report", str(before), "-o", str(wanted)]) == 0
    assert capsys.readouterr().out == f"{wanted}\n"
    assert "What does a synthetic box weigh?" in wanted.read_text("utf-8")


def test_a_report_that_cannot_be_written(before: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command(["report", str(before), "-o", "/proc/nowhere/report.html"]) == 1
    first, second = capsys.readouterr().err.splitlines()
    assert "could not be written to /proc/nowhere/report.html" in first
    assert second.startswith("Try: ")


@pytest.mark.parametrize(
    ("rules", "code"),
    [
        ([], 0),
        (["startup_s>5%"], 1),
        (["worse"], 1),
        (["startup_s>90%"], 0),
        (["achieved_rps<-5%"], 0),
        (["achieved_rps<-5%", "startup_s>20%"], 1),
    ],
)
def test_a_comparison_fails_if_a_rule_is_broken(
    before: Path, after: Path, capsys: pytest.CaptureFixture[str], rules: list[str], code: int
) -> None:
    options = [word for rule in rules for word in ("--fail-on", rule)]
    assert run_command(["compare", str(before), str(after), *options]) == code
    shown = capsys.readouterr()
    assert shown.err == ""
    regressed = [line for line in shown.out.splitlines() if line.startswith("regressed:")]
    assert len(regressed) >= code
    if code:
        assert any(line.startswith("regressed: container, 100 rps: startup_s by a factor of 1.") for line in regressed)


def test_what_is_not_alike_is_told_and_strict_refuses_it(
    before: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = make_folder(tmp_path / "other", levels_rps=(100.0, 50.0), with_samples=False).path
    assert run_command(["compare", str(before), str(other)]) == 0
    assert "not alike: experiment: [load] differs\n" in capsys.readouterr().out
    assert run_command(["compare", str(before), str(other), "--strict"]) == 2
    assert capsys.readouterr().err.startswith("Error: The campaigns are not alike: experiment: [load] differs.\nTry: ")
