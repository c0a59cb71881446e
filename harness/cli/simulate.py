"""``tare cache simulate``: what eviction policies keep, on a trace, a seeded sequence or those of an experiment."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn
from rich.table import Table

from harness.cli.output import new_console, print_json
from harness.errors import ExitCode, SpecError
from harness.planning.choice import find_workload
from harness.runtime.signals import interruptible
from harness.simulation.catalogue import Catalogue
from harness.simulation.curves import Curves, miss_ratio_curves
from harness.simulation.experiment import experiment_curves, of_catalogue, sizes_of
from harness.simulation.options import SIZES
from harness.simulation.policies import Policy, chosen
from harness.simulation.records import Progress as Report
from harness.simulation.sequences import PREFIX, parse_sequence
from harness.simulation.simulate import MissRatio
from harness.simulation.sizes import parse_share, parse_sizes
from harness.simulation.traces import Trace
from harness.spec.files import read_experiment, read_workload
from harness.spec.sequence import SequenceSpec
from reports.curves import write_curves


@dataclass(frozen=True, slots=True)
class Asked:
    """The command's options, as they were given."""

    source: str
    policies: str
    sizes: str | None
    warm_up: str | None
    quick: bool
    trace_format: str | None
    max_bad: int
    jobs: int | None
    as_json: bool
    output: Path | None


def simulate(asked: Asked) -> int:
    """Simulate, print, write. Returns the exit code; raises SpecError, Unavailable."""
    policies = chosen(asked.policies)
    if asked.source.endswith(".toml"):
        if asked.trace_format is not None or asked.warm_up is not None:
            raise SpecError(
                "--format and --warm-up are not for experiments.", "Leave them out: the experiment's file says both."
            )
        with interruptible(), _progress() as progress:
            experiment, found = _of_experiment(asked, policies, progress)
        return _show(found, asked, experiment)
    if asked.quick:
        raise SpecError("--quick is for experiments.", "Leave it out: a trace or a sequence has no [quick].")
    wanted, left_out = parse_sizes(asked.sizes or SIZES), parse_share(asked.warm_up or "0%", "--warm-up")
    if asked.source.startswith(PREFIX):
        if asked.trace_format is not None:
            raise SpecError("--format is for trace files.", "Leave it out: a sequence has none.")
        requests: Trace | SequenceSpec = parse_sequence(asked.source)
        label = asked.source
    else:
        requests = Trace.of(Path(asked.source), asked.trace_format, asked.max_bad)
        label = Path(asked.source).name
    with interruptible(), _progress() as progress:
        curves = miss_ratio_curves(
            requests, label, policies, wanted, warm_up=left_out, jobs=asked.jobs, progress=progress
        )
    return _show((curves,), asked, None)


def _of_experiment(asked: Asked, policies: tuple[Policy, ...], progress: Report) -> tuple[str, tuple[Curves, ...]]:
    """The experiment's name, and the curves of each of its sequences."""
    file = Path(asked.source)
    experiment = read_experiment(file, quick=asked.quick)
    folder = find_workload(experiment, file)
    spec = read_workload(folder).catalogue if folder is not None else None
    if spec is None:
        raise SpecError(
            f"{experiment.workload} has no catalogue of objects.",
            "Name an experiment whose workload has a [catalogue].",
        )
    catalogue = Catalogue.of(spec)
    if asked.sizes is None:
        wanted = sizes_of(experiment, catalogue)
    else:
        wanted = of_catalogue(parse_sizes(asked.sizes), catalogue)
    found = experiment_curves(experiment, catalogue, policies, wanted, jobs=asked.jobs, progress=progress)
    return experiment.name, found


def _show(found: tuple[Curves, ...], asked: Asked, experiment: str | None) -> int:
    """Print what was simulated, and write it where that was asked for; ``experiment`` is whose sequences it were."""
    if asked.as_json and experiment is None:
        print_json(found[0].plain())
    elif asked.as_json:
        print_json({"experiment": experiment, "sequences": {curves.source: curves.plain() for curves in found}})
    for curves in found if not asked.as_json else ():
        _print(curves)
    output = asked.output
    if output is not None:
        for curves in found:
            # A page is of one sequence.
            named = output if len(found) == 1 else output.with_stem(f"{output.stem}-{curves.source}")
            path = write_curves(curves, named)
            if not asked.as_json:
                new_console().print(f"Report: {path}", soft_wrap=True, highlight=False, markup=False)
    return ExitCode.FAILED if any(curves.failures for curves in found) else ExitCode.OK


@contextmanager
def _progress() -> Iterator[Report]:
    """A bar on standard error, where a terminal is there to see it."""
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TextColumn("{task.fields[count]}"))
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task("", total=None, count="")

        def report(what: str, done: int, total: int) -> None:
            bar.update(task, description=what, completed=done, total=total or None, count=f"{done:,}")

        yield report


def _print(curves: Curves) -> None:
    console = new_console()
    if curves.bad_records:
        shown = escape("; ".join(curves.bad_shown))
        more = "; …" if curves.bad_records > len(curves.bad_shown) else ""
        console.print(f"[yellow]{curves.bad_records} bad records left out:[/yellow] {shown}{more}", soft_wrap=True)
    warm = f", the first {curves.warm_up:,} as warm-up" if curves.warm_up else ""
    console.print(
        f"{escape(curves.source)}: {curves.requests:,} requests{warm}, {curves.objects:,} objects, a footprint of "
        f"{curves.footprint_bytes:,} bytes.",
        soft_wrap=True,
        highlight=False,
    )
    table = Table("policy", title="Miss ratios by requests / by bytes", title_justify="left")
    for text, size in curves.sizes:
        table.add_column(f"{text}\n{size:,} B" if text.endswith("%") else text, justify="right")
    found = {(ratio.policy, ratio.cache_bytes): ratio for ratio in curves.ratios}
    for policy in curves.policies:
        table.add_row(policy, *(_cell(found.get((policy, size))) for _, size in curves.sizes))
    console.print(table)
    for line in curves.notes():
        console.print(line, soft_wrap=True, highlight=False)


def _cell(ratio: MissRatio | None) -> str:
    return "no result" if ratio is None else f"{ratio.by_requests:.5f} / {ratio.by_bytes:.5f}"
