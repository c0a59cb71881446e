"""``tare run``, from the command line to the report, over fakes."""

from __future__ import annotations

import json
import signal
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from harness import sweep
from harness.analysis import load
from harness.cli import run
from harness.cli.main import run_command
from harness.errors import DeployError
from harness.host.facts import HostFacts
from harness.load.plan import LoadPlan
from harness.lock import host_lock
from harness.targets.api import Availability, Instance, Leftover
from harness.targets.registry import TARGETS
from reports.html import write_report
from tests.support.fake_host import FakeHost, OtherTarget
from tests.support.fakes import FakeInstance

RUN = ["run", "benches/tiny.toml", "--out", "out"]
OUT = Path("out")


def journal() -> list[tuple[str, int, str]]:
    return [(record.trial, record.attempt, record.outcome) for record in load(OUT).records]


def test_a_campaign_prints_its_folder_and_its_report_last(
    host: FakeHost, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(run, "write_report", write_report)
    assert run_command(["run", str(host.experiment)]) == 0
    shown = capsys.readouterr()
    assert shown.err == ""
    lines = shown.out.splitlines()
    (folder,) = Path("results").iterdir()
    assert lines[-2:] == [f"Campaign: {folder}", f"Report:   {folder}/report.html"]
    assert (folder / "report.html").stat().st_size > 100_000
    assert "What does a tiny service weigh?" in (folder / "report.html").read_text("utf-8")
    assert len(load(folder).records) == 4
    assert run_command(["show", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["path"] == str(folder)


@pytest.mark.usefixtures("host")
def test_progress_is_plain_lines_when_it_is_not_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command(RUN) == 0
    shown = capsys.readouterr().out
    assert "\x1b" not in shown
    assert "\r" not in shown
    lines = shown.splitlines()
    began = [line for line in lines if line.startswith("[")]
    assert [line.split(" … ")[0] for line in began] == [
        "[1/4] b1-01-other", "[2/4] b1-02-fake", "[3/4] b2-01-other", "[4/4] b2-02-fake",
    ]  # fmt: skip
    assert lines.count("measuring the instrument's own floor (about 20 s)") == 1
    ended = [line for line in lines if line.startswith("  b")]
    assert len(ended) == 4
    assert all(": startup 0.0" in line and "8 requests" in line for line in ended)
    assert [line for line in lines if line.endswith(" …")] == [
        "Preparing the artifact of tiny …", "Preparing fake …", "Preparing other …",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("option", "blocks", "names"),
    [(["--quick"], 1, {"fake", "other"}), (["--repeats", "3"], 3, {"fake", "other"}), (["--only", "o*"], 2, {"other"})],
)
@pytest.mark.usefixtures("host")
def test_the_options_of_a_run(
    capsys: pytest.CaptureFixture[str], option: list[str], blocks: int, names: set[str]
) -> None:
    assert run_command([*RUN, *option]) == 0
    records = load(OUT).records
    assert {record.variant.name for record in records} == names
    assert max(record.block for record in records) == blocks
    assert load(OUT).manifest.quick == (option == ["--quick"])
    assert "Report:" in capsys.readouterr().out


class Refusing(OtherTarget):
    """Refuses every launch."""

    def launch(self, *_arguments: object) -> Instance:
        error = DeployError("The fake engine refused.", "Ask it why.")
        error.add_note("the engine's last line")
        raise error


class Absent(OtherTarget):
    """Its engine does not answer."""

    takes_embedded = False

    def available(self, _host: HostFacts) -> Availability:
        return Availability(False, "no fake [engine] answers", "start it")


def replace_other(monkeypatch: pytest.MonkeyPatch, kind: type[OtherTarget]) -> None:
    monkeypatch.setitem(TARGETS, "other", kind)


def test_trials_that_stay_failed_are_exit_code_1_and_the_others_are_reported(
    host: FakeHost, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    replace_other(monkeypatch, Refusing)
    assert run_command(RUN) == 1
    shown = capsys.readouterr()
    assert shown.err == ""
    assert [line for line in shown.out.splitlines() if line.startswith("[")] == [
        "[1/4] b1-01-other … about 30 s left",
        "[1/4] b1-02-fake … about 30 s left",
        "[2/4] b1-01-other, attempt 2 … about 20 s left",
        "[2/4] b1-01-other, attempt 3 … about 20 s left",
        "[3/4] b2-01-other … about 10 s left",
        "[4/4] b2-02-fake … about 0 s left",
    ]
    assert shown.out.count("FAILED: The fake engine refused.") >= 4
    assert OUT.joinpath("report.html").exists()
    assert [outcome for name, _, outcome in journal() if "fake" in name] == ["ok", "ok"]
    assert host.folder.joinpath("out", "journal.jsonl").read_text().count("the engine's last line") == 4


def test_a_target_that_this_host_lacks_is_no_failure_and_is_told_with_its_fix(
    host: FakeHost, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    replace_other(monkeypatch, Absent)
    assert run_command(RUN) == 0
    shown = capsys.readouterr().out
    assert "not measured: other: no fake [engine] answers\n  to fix it: start it\n" in shown
    (missing,) = load(host.folder / "out").manifest.unavailable
    assert (missing.target, missing.fix) == ("other", "start it")


def test_a_host_that_lacks_all_of_it_is_exit_code_3(
    host: FakeHost, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    replace_other(monkeypatch, Absent)
    assert run_command([*RUN, "--only", "other"]) == 3
    assert capsys.readouterr().err.splitlines() == [
        "Error: This host cannot run what was asked for: other: no fake [engine] answers.", "Try: start it",
    ]  # fmt: skip
    assert not host.folder.joinpath("out").exists()


def test_two_campaigns_at_once_are_refused(host: FakeHost, capsys: pytest.CaptureFixture[str]) -> None:
    with host_lock("another run"):
        assert run_command(RUN) == 3
        assert capsys.readouterr().err.startswith("Error: Another run holds this host: another run (pid ")
        # What is wrong with the request itself is told all the same.
        assert run_command([*RUN, "--only", "nothing"]) == 2
    assert run_command([*RUN, "--quick"]) == 0
    assert len(host.instruments.labs) == 2


def signal_in_load(host: FakeHost, number: int, sent: signal.Signals) -> None:
    loads = 0

    def send(_plan: LoadPlan) -> None:
        nonlocal loads
        loads += 1
        if loads == number:
            signal.raise_signal(sent)

    host.instruments.meanwhile = send


@pytest.fixture
def stopped(monkeypatch: pytest.MonkeyPatch) -> list[FakeInstance]:
    """The instances that were stopped, each once."""
    found: list[FakeInstance] = []
    stop = FakeInstance.stop

    def stop_and_tell(self: FakeInstance) -> None:
        if self.alive():
            found.append(self)
        stop(self)

    monkeypatch.setattr(FakeInstance, "stop", stop_and_tell)
    return found


@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_an_interruption_is_130_keeps_what_was_finished_and_leaves_nothing(
    host: FakeHost, capsys: pytest.CaptureFixture[str], stopped: list[FakeInstance], sent: signal.Signals
) -> None:
    signal_in_load(host, 3, sent)
    assert run_command(RUN) == 130
    shown = capsys.readouterr()
    assert shown.err == "Interrupted. What was measured is kept.\n"
    assert shown.out.splitlines()[-1] == "Report:   out/report.html"
    assert journal() == [("b1-01-other", 1, "ok"), ("b1-02-fake", 1, "ok")]
    assert len(stopped) == 3


def test_a_resume_does_the_rest_and_nothing_twice(host: FakeHost, capsys: pytest.CaptureFixture[str]) -> None:
    signal_in_load(host, 3, signal.SIGINT)
    assert run_command(RUN) == 130
    capsys.readouterr()
    assert run_command(["run", "--resume", "out"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert "2 of 4 trials are done already" in lines
    assert [line.split(" … ")[0] for line in lines if line.startswith("[")] == [
        "[3/4] b2-01-other", "[4/4] b2-02-fake",
    ]  # fmt: skip
    assert [name for name, _, _ in journal()] == ["b1-01-other", "b1-02-fake", "b2-01-other", "b2-02-fake"]
    assert run_command(["run", "--resume", "out"]) == 0
    assert len(journal()) == 4


def test_an_interruption_before_anything_was_measured(host: FakeHost, capsys: pytest.CaptureFixture[str]) -> None:
    signal_in_load(host, 1, signal.SIGINT)
    assert run_command(RUN) == 130
    assert not OUT.joinpath("report.html").exists()
    assert "Report:" not in capsys.readouterr().out
    assert run_command(["show", "out"]) == 0
    assert run_command(["run", "--resume", "out"]) == 0


@pytest.mark.parametrize("report_fails", [False, True])
def test_a_full_disk_is_told_with_its_remedy_whatever_else_fails_then(
    host: FakeHost, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], report_fails: bool
) -> None:
    def fill_the_disk(plan: LoadPlan) -> None:
        if "b2-01" in plan.samples:
            (Path(plan.samples).parent / "samples.parquet.partial").symlink_to("/dev/full")

    def cannot_write(*_arguments: object) -> None:
        raise DeployError("the report could not be written", "give another file")

    host.instruments.meanwhile = fill_the_disk
    if report_fails:
        monkeypatch.setattr(run, "write_report", cannot_write)
    assert run_command(RUN) == 1
    assert capsys.readouterr().err.splitlines() == [
        "Error: Cannot write to out: No space left on device.",
        "Try: Free some disk space, then: tare run --resume out",
    ]
    assert len(journal()) == 2
    host.instruments.meanwhile = lambda _plan: None
    assert run_command(["run", "--resume", "out"]) == int(report_fails)
    assert len(journal()) == 4


def change_the_app(host: FakeHost) -> None:
    (host.workload / "app" / "main.py").write_text("print('another')")


def change_the_machine(host: FakeHost) -> None:
    host.facts = replace(host.facts, cpu_model="Another CPU")


@pytest.mark.parametrize(("change", "code"), [(change_the_app, 2), (change_the_machine, 3)])
def test_a_resume_of_something_else_is_refused_and_changes_nothing(
    host: FakeHost, capsys: pytest.CaptureFixture[str], change: Callable[[FakeHost], None], code: int
) -> None:
    signal_in_load(host, 3, signal.SIGINT)
    assert run_command(RUN) == 130
    before = OUT.joinpath("journal.jsonl").read_bytes()
    capsys.readouterr()
    change(host)
    assert run_command(["run", "--resume", "out"]) == code
    assert len(capsys.readouterr().err.splitlines()) == 2
    assert OUT.joinpath("journal.jsonl").read_bytes() == before


def test_a_folder_that_holds_a_campaign_is_not_overwritten(host: FakeHost, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command([*RUN, "--quick"]) == 0
    before = journal()
    capsys.readouterr()
    assert run_command(RUN) == 2
    assert capsys.readouterr().err.splitlines()[0] == "Error: out holds a campaign already."
    assert journal() == before
    assert len(host.instruments.labs) == 2


def test_what_a_killed_run_left_is_removed_first(
    host: FakeHost, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    gone: list[str] = []
    left = Leftover("container", "tare-[dead]", lambda: gone.append("tare-[dead]"))
    monkeypatch.setattr(sweep, "leftovers", lambda targets: [left] if len(targets) == 2 else [])
    assert run_command([*RUN, "--quick"]) == 0
    assert gone == ["tare-[dead]"]
    assert capsys.readouterr().out.splitlines()[0] == "removing what a killed run left: container tare-[dead]"
    assert len(host.instruments.labs) == 2
