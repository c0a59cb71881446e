"""``tare show``, on sets: instances, proxies and events as tables for a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.table import Table
from rich.text import Text

from harness.analysis.events import MOMENTS, down
from harness.analysis.formatting import added, figure
from harness.analysis.instances import FIGURES
from harness.analysis.intervals import Estimate, known
from harness.analysis.selection import select
from harness.output.terminal.table import text_table
from harness.units import DOWN, METRICS

if TYPE_CHECKING:
    from harness.analysis.campaign import Campaign

_HEADS = {
    "startup_s": "startup, s",
    "ready_after_s": "ready after, s",
    "memory_mib": "idle, MiB",
    "memory_load_mib": "under load, MiB",
    "cpu_ms_per_request": "CPU, ms/request",
}


def set_tables(campaign: Campaign) -> list[Table]:
    """What the deployments' parts cost, what proxies add, and what happened. Without rows where there is none."""
    return [_instances(campaign), _proxies(campaign), _events(campaign)]


def _instances(campaign: Campaign) -> Table:
    table = text_table("Instances (medians)", "variant", "level", "instance", "target", *_HEADS.values())
    frame = campaign.instances
    several = {name for name, own in frame.groupby("variant") if own["instance"].nunique() > 1}
    mine = frame[frame["variant"].isin(several)]
    for (variant, level, name), own in mine.groupby(["variant", "level", "instance"], sort=False):
        emulated = " (emulated)" if (own["accelerator"] == "tcg").any() else ""
        table.add_row(
            Text(campaign.label(str(variant))),
            Text(str(level)),
            Text(str(name)),
            Text(f"{own.iloc[0]['target']}{emulated}"),
            *(_median(own[column].median(), column) for column in FIGURES),
        )
    return table


def _proxies(campaign: Campaign) -> Table:
    table = text_table(
        "Proxies: latency added to direct (95 % intervals)", "variant", "level", "median", "p99", "shares"
    )
    spread = campaign.served[campaign.served["replicas"] > 1]
    keys = [*zip(campaign.proxies["variant"], campaign.proxies["level"], strict=True)]
    keys += zip(spread["variant"], spread["level"], strict=True)
    for variant, level in dict.fromkeys(keys):
        found = select(campaign.proxies, variant=variant, level=level)
        texts = {
            str(row["metric"]): added(
                Estimate(row["added_ms"], known(row["low"]), known(row["high"]), row["n"]), row["verdict"]
            )
            for row in found.to_dict("records")
        }
        own = select(spread, variant=variant, level=level)["share"]
        shares = f"{own.min():.1%} to {own.max():.1%}" if len(own) else "-"
        table.add_row(
            Text(campaign.label(str(variant))),
            Text(str(level)),
            *(texts.get(metric, "-") for metric in ("latency_p50_ms", "latency_p99_ms")),
            shares,
        )
    return table


def _events(campaign: Campaign) -> Table:
    heads = (f"{moment}: failed, slow / requests" for moment in MOMENTS)
    table = text_table("Events (medians)", "variant", "event", "until correct again", "recovered", *heads)
    for (variant, _, _), own in campaign.events.groupby(["variant", "level", "number"], sort=False):
        first, found = own.iloc[0], down(own)
        table.add_row(
            Text(campaign.label(str(variant))),
            Text(f"{first['kind']} {first['instance']}"),
            "-" if found is None else figure(DOWN, found),
            f"{int(own['recovered'].sum())} of {len(own)}",
            *(
                f"{own[f'failed_{moment}'].median():g}, {own[f'slow_{moment}'].median():g} / "
                f"{own[f'requests_{moment}'].median():g}"
                for moment in MOMENTS
            ),
        )
    return table


def _median(value: float, column: str) -> str:
    digits = METRICS[column].digits if column in METRICS else METRICS["startup_s"].digits
    return "-" if known(value) is None else f"{value:,.{digits}f}"
