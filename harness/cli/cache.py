"""``tare cache simulate``: what eviction policies keep, on a trace or a seeded sequence."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn
from rich.table import Table

from harness.cache.curves import Curves, miss_ratio_curves
from harness.cache.policies import ALL, chosen
from harness.cache.records import Progress as Report
from harness.cache.sequences import PREFIX, parse_sequence
from harness.cache.simulate import MissRatio
from harness.cache.sizes import parse_share, parse_sizes
from harness.cache.traces import FORMATS, MAX_BAD, Trace
from harness.cli.output import new_console, print_json
from harness.errors import ExitCode, SpecError
from harness.interrupts import interruptible
from harness.spec.sequence import SequenceSpec
from reports.curves import write_curves


@click.group(no_args_is_help=False)
def cache() -> None:
    """Simulate caches: eviction policies on a trace or a seeded sequence; needs no root and no engine."""


@cache.command(name="simulate")
@click.argument("source", metavar="TRACE|zipf:KEY=VALUE,...")
@click.option(
    "--policies", default=ALL, show_default=True, metavar="LIST", help="Which policies, such as FIFO,LRU,S3-FIFO."
)
@click.option(
    "--sizes",
    default="0.1%,1%,10%",
    show_default=True,
    metavar="LIST",
    help="Cache sizes: shares of the footprint, or bytes such as 64MiB.",
)
@click.option("--warm-up", default="0%", show_default=True, metavar="SHARE", help="Requests at the start to leave out.")
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
    sizes: str,
    warm_up: str,
    trace_format: str | None,
    max_bad: int,
    jobs: int | None,
    as_json: bool,
    output: Path | None,
) -> int:
    """Simulate eviction policies and print what each misses at each cache size, by requests and by bytes.

    A trace is CSV (time, id, size) or libCacheSim's oracleGeneral, either compressed with zstd or not. A sequence is
    zipf:requests=N,objects=N,exponent=X and, if wanted, seed, wonders, scans, scan_length, drift, drift_every,
    size_bytes, size_mu, size_sigma.
    """
    names, wanted, left_out = chosen(policies), parse_sizes(sizes), parse_share(warm_up, "--warm-up")
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
    if as_json:
        print_json(curves.plain())
    else:
        _print(curves)
    if output is not None:
        path = write_curves(curves, output)
        if not as_json:
            new_console().print(f"Report: {path}", soft_wrap=True, highlight=False, markup=False)
    return ExitCode.FAILED if curves.failures else ExitCode.OK


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
