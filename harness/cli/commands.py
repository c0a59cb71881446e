"""The commands that there are, their options and what they say of themselves.

Nothing else is imported here: what a command does is a module of its own, imported when the command runs. So help and a
usage error cost what click costs, and no command pays for what another one needs.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from harness.simulation.options import FORMATS, MAX_BAD, SIZES
from harness.simulation.policies import ALL

_PATH = click.Path(path_type=Path)
_json = click.option("--json", "as_json", is_flag=True, help="Print JSON alone on standard output.")
_out = click.option(
    "--out", type=_PATH, metavar="DIR", help="The campaign's folder; by default a new one below results/."
)
_overrides = (
    click.option("--quick", is_flag=True, help="Apply the experiment's own [quick] overrides."),
    click.option("--only", metavar="GLOB", help="Only the variants whose name matches, e.g. 'process*'."),
    click.option("--repeats", type=int, metavar="N", help="Blocks to run, instead of the experiment's number."),
    click.option("--seed", type=int, metavar="N", help="Another order and other arrivals than the experiment's."),
)
_campaign = click.argument("folder", type=_PATH, required=False, metavar="[DIR]")


def _with_overrides(command: Callable[..., Any]) -> Callable[..., Any]:
    for option in reversed(_overrides):
        command = option(command)
    return command


class _OfRegistry(click.Option):
    """An option whose default is a function: called where the option is shown or left out, and not before."""

    def get_default(self, ctx: click.Context, call: bool = True) -> Any:  # noqa: ARG002 - help shows the value as well
        return super().get_default(ctx, call=True)


def _usual_targets() -> str:
    from harness.targets.registry import USUAL

    return ",".join(USUAL)


@click.command()
@_json
def doctor(as_json: bool) -> int:
    """Say what this host can measure, and how to fix what it cannot."""
    from harness.cli.doctor import doctor as body

    return body(as_json)


@click.command()
@click.option("--yes", is_flag=True, help="Do it without asking.")
@click.option("--dry-run", is_flag=True, help="Only show what would be done.")
@click.option("--for-tests", is_flag=True, help="Also install what only the tests need: a browser, npm.")
@click.option("--stop-engines", is_flag=True, help="Stop the engine daemons that Tare started, and nothing else.")
def provision(yes: bool, dry_run: bool, for_tests: bool, stop_engines: bool) -> int:
    """Install what is missing through the system's package manager and start the engines."""
    from harness.cli import provision as body

    return body.stop_engines() if stop_engines else body.install(yes=yes, dry_run=dry_run, for_tests=for_tests)


@click.command()
@click.option("--dry-run", is_flag=True, help="Only list what would be removed.")
def sweep(dry_run: bool) -> int:
    """List and remove what killed runs left behind, and nothing that is not ours."""
    from harness.cli.sweep import sweep as body

    return body(dry_run)


@click.command()
@click.argument("file", type=_PATH)
@_with_overrides
@_json
def plan(file: Path, quick: bool, only: str | None, repeats: int | None, seed: int | None, as_json: bool) -> int:
    """Show the trials of an experiment in order, and the time they will take; deploy nothing."""
    from harness.cli.experiment import Asked
    from harness.cli.plan import plan as body

    return body(Asked(file, quick, only, repeats, seed), as_json)


@click.command()
@click.argument("file", type=_PATH, required=False)
@_with_overrides
@_out
@click.option("--resume", "resumed", type=_PATH, metavar="DIR", help="Finish the plan of a campaign that was ended.")
def run(
    file: Path | None,
    quick: bool,
    only: str | None,
    repeats: int | None,
    seed: int | None,
    out: Path | None,
    resumed: Path | None,
) -> int:
    """Run an experiment as a campaign, or the rest of one; print its folder and its report last."""
    if resumed is not None:
        if file is not None or quick or out is not None or only or repeats is not None or seed is not None:
            raise click.UsageError("--resume finishes a campaign as it was begun: give nothing else with it.")
        from harness.cli.run import go_on

        return go_on(resumed)
    if file is None:
        raise click.UsageError("Name an experiment, such as benches/quickstart.toml, or --resume a campaign.")
    from harness.cli.experiment import Asked
    from harness.cli.run import run as body

    return body(Asked(file, quick, only, repeats, seed), out)


@click.command()
@click.argument("image")
@click.option("--port", type=int, required=True, help="The port that the service listens on.")
@click.option("--path", default="/", show_default=True, help="The readiness check and the load: GET this path.")
@click.option("--status", type=int, default=200, show_default=True, help="The status of the correct response.")
@click.option(
    "--targets",
    cls=_OfRegistry,
    default=_usual_targets,
    show_default=True,
    help="What to compare; the first is the baseline.",
)
@click.option("--repeats", type=int, default=3, show_default=True, help="Blocks to run.")
@click.option("--memory-mib", type=int, default=512, show_default=True, help="The memory limit of every instance.")
@_out
def quick(
    image: str, port: int, path: str, status: int, targets: str, repeats: int, memory_mib: int, out: Path | None
) -> int:
    """Compare the deployment models for any local image, without writing a file."""
    from harness.cli.run import quick as body

    service: dict[str, object] = {"port": port, "ready": {"path": path, "status": status}}
    return body(image, targets, service, {"memory_mib": memory_mib}, repeats, out)


@click.command()
@_campaign
@_json
def show(folder: Path | None, as_json: bool) -> int:
    """Show a campaign's summary; the newest below results/ without DIR."""
    from harness.cli.show import show as body

    return body(folder, as_json)


@click.command()
@_campaign
@click.option(
    "-o", "--output", type=_PATH, metavar="FILE", help="Where to write it; by default into the campaign's folder."
)
def report(folder: Path | None, output: Path | None) -> int:
    """Build a campaign's HTML report, again if need be; of the newest below results/ without DIR."""
    from harness.cli.report import report as body

    return body(folder, output)


@click.command()
@click.argument("folder_a", type=_PATH, metavar="DIR_A")
@click.argument("folder_b", type=_PATH, metavar="DIR_B")
@click.option(
    "--fail-on",
    multiple=True,
    metavar="RULE",
    help="Exit with 1 if a resolved change breaks it: 'latency_p99_ms>5%', 'achieved_rps<-5%', or 'worse'.",
)
@click.option("--strict", is_flag=True, help="Refuse campaigns that differ in host, artifact or experiment.")
def compare(folder_a: Path, folder_b: Path, fail_on: tuple[str, ...], strict: bool) -> int:
    """Compare two campaigns: the second over the first, as ratios with intervals and a verdict each."""
    from harness.cli.compare import compare as body

    return body(folder_a, folder_b, fail_on, strict)


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
@_json
@click.option("-o", "--output", type=_PATH, metavar="FILE", help="Write the curves as HTML.")
def simulate(
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
    from harness.cli.simulate import Asked
    from harness.cli.simulate import simulate as body

    return body(Asked(source, policies, sizes, warm_up, quick, trace_format, max_bad, jobs, as_json, output))


COMMANDS = (doctor, provision, plan, run, quick, show, report, compare, sweep, cache)
