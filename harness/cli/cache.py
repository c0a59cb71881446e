"""``tare cache simulate``: what eviction policies keep, on a trace, a seeded sequence or those of an experiment."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn
from rich.table import Table

from harness.cache.catalogue import Catalogue
from harness.cache.curves import Curves, miss_ratio_curves
from harness.cache.experiment import experiment_curves, of_catalogue, sizes_of
from harness.cache.policies import ALL, Policy, chosen
from harness.cache.records import Progress as Report
from harness.cache.sequences import PREFIX, parse_sequence
from harness.cache.simulate import MissRatio
from harness.cache.sizes import parse_share, parse_sizes
from harness.cache.traces import FORMATS, MAX_BAD, Trace
from harness.campaign.prepare import find_workload
from harness.cli.output import new_console, print_json
from harness.errors import ExitCode, SpecError
from harness.runtime.signals import interruptible
from harness.spec.files import read_experiment, read_workload
from harness.spec.sequence import SequenceSpec
from reports.curves import write_curves

SIZES = "0.1%,1%,10%"


@click.group(no_args_is_help=False)
def cache() -> None:
    """Simulate caches: eviction policies on a trace or a seeded sequence; needs no root and no engine."""


@cache.command(name="simulate")
@click.argument("source", metavar="TRACE|EXPERIMENT.toml|zipf:KEY=VALUE,...")
@click.option(
    "--policies", default=ALL, show_default=True, metavar="LIST", help="Which policies, such as FIFO,LRU,S3-FIFO."
)
@click.option(
    "--sizes",
    metavar="LIST",
    help=f"Cache sizes: shares of the footprint, or bytes such as 64MiB. By default {SIZES}; an experiment's own.",
)
@click.option("--warm-up", metavar="SHARE", help="Requests at the start to leave out, such as 20%; none by default.")
@click.option("--quick", is_flag=True, help="Of an experiment: apply its own [quick] overrides.")
@click.option("--format", "trace_format", metavar="NAME", help=f"The trace's format: {', '.join(FORMATS)}.")
@click.option(
    "--max-bad", type=click.IntRange(0), default=MAX_BAD, show_default=True, help="Bad records that are accepted."
)
@click.option("--jobs", type=click.IntRange(1), metavar="N", help="Simulations at a time; one per CPU by default.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON alone on standard output.")
@click.option("-o", "--output", type=click.Path(path_type=Path), metavar="FILE", help="Write the curves as HTML.")
def simulate_command(
    source: str,
    policies: str,
    sizes: str | None,
    warm_up: str | None,
    quick: bool,
    trace_format: str | None,
    max_bad: int,
    jobs: int | None,
    as_json: bool,
    output: Path | None,
) -> int:
    """Simulate eviction policies and print what each misses at each cache size, by requests and by bytes.

    A trace is CSV (time, id, size) or libCacheSim's oracleGeneral, either compressed with zstd or not. A sequence is
    zipf:requests=N,objects=N,exponent=X and, if wanted, seed, wonders, scans, scan_length, drift, drift_every,
    size_bytes, size_mu, size_sigma. Of an experiment each sequence is simulated as its replay asks for it, mapped onto
    the catalogue of its workload, of which sizes are then shares.
    """
    names = chosen(policies)
    if source.endswith(".toml"):
        if trace_format is not None or warm_up is not None:
            raise SpecError(
                "--format and --warm-up are not for experiments.", "Leave them out: the experiment's file says both."
            )
        with interruptible(), _progress() as progress:
            experiment, found = _of_experiment(Path(source), quick, names, sizes, jobs, progress)
        return _show(found, as_json, output, experiment)
    if quick:
        raise SpecError("--quick is for experiments.", "Leave it out: a trace or a sequence has no [quick].")
    wanted, left_out = parse_sizes(sizes or SIZES), parse_share(warm_up or "0%", "--warm-up")
    if source.startswith(PREFIX):
        if trace_format is not None:
            raise SpecError("--format is for trace files.", "Leave it out: a sequence has none.")
        requests: Trace | SequenceSpec = parse_sequence(source)
        label = source
    else:
        requests = Trace.of(Path(source), trace_format, max_bad)
        label = Path(source).name
    with interruptible(), _progress() as progress:
        curves = miss_ratio_curves(requests, label, names, wanted, warm_up=left_out, jobs=jobs, progress=progress)
    return _show((curves,), as_json, output, None)


def _of_experiment(
    file: Path, quick: bool, policies: tuple[Policy, ...], sizes: str | None, jobs: int | None, progress: Report
) -> tuple[str, tuple[Curves, ...]]:
    """The experiment's name, and the curves of each of its sequences."""
    experiment = read_experiment(file, quick=quick)
    folder = find_workload(experiment, file)
    spec = read_workload(folder).catalogue if folder is not None else None
    if spec is None:
        raise SpecError(
            f"{experiment.workload} has no catalogue of objects.",
            "Name an experiment whose workload has a [catalogue].",
        )
    catalogue = Catalogue.of(spec)
    wanted = sizes_of(experiment, catalogue) if sizes is None else of_catalogue(parse_sizes(sizes), catalogue)
    found = experiment_curves(experiment, catalogue, policies, wanted, jobs=jobs, progress=progress)
    return experiment.name, found


def _show(found: tuple[Curves, ...], as_json: bool, output: Path | None, experiment: str | None) -> int:
    """Print what was simulated, and write it where that was asked for; ``experiment`` is whose sequences it were."""
    if as_json and experiment is None:
        print_json(found[0].plain())
    elif as_json:
        print_json({"experiment": experiment, "sequences": {curves.source: curves.plain() for curves in found}})
    for curves in found if not as_json else ():
        _print(curves)
    if output is not None:
        for curves in found:
            # A page is of one sequence.
            named = output if len(found) == 1 else output.with_stem(f"{output.stem}-{curves.source}")
            path = write_curves(curves, named)
            if not as_json:
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


COMMANDS = (cache,)
