"""Sections on deployments of several instances: services and proxies. None where there are none."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from harness.analysis.formatting import added
from harness.analysis.intervals import Estimate, known
from harness.analysis.selection import select
from reports import charts
from reports.blocks import Block, Cell, Group, Section, Table, Text, draw
from reports.frames import rows
from reports.labels import Look, variant_label

if TYPE_CHECKING:
    from harness.analysis import Campaign

_FIGURES = {
    "startup_s": ("startup, s", 3),
    "ready_after_s": ("ready after, s", 3),
    "memory_mib": ("memory idle, MiB", 1),
    "memory_load_mib": ("under load, MiB", 1),
    "cpu_ms_per_request": ("CPU, ms/request", 3),
}


def services(campaign: Campaign, look: Look) -> Section | None:
    """What each instance of a set costs. None where no deployment has more than one."""
    frame = campaign.instances
    sizes = frame.groupby("variant")["instance"].nunique()
    several = frame[frame["variant"].isin(sizes.index[sizes > 1])]
    if several.empty:
        return None
    table = Table(
        "Each instance: medians of the valid trials. Startup counts from the instance's own trigger, ready after from "
        "the first trigger of the whole; CPU time is over the requests that the whole deployment answered",
        ("variant", "instance", "on", *(title for title, _ in _FIGURES.values()), "trials"),
        tuple(row for name in look.present(several) for row in _instances(select(several, variant=name), look)),
        folded=look.crowded,
    )
    memory = _memory_by_service(several)
    chart = draw(
        "Memory under load by service, replicas of one together: medians of the valid trials, PSS of every host "
        "process that exists because of the instance.",
        charts.stacked_parts,
        memory,
        look,
        title="MiB of PSS",
        whole="sum of the services",
    )
    head = Text(f"{len(sizes[sizes > 1])} variants are deployments of several instances, {_kinds(several)} in all.")
    return Section("services", "Services", (head, chart, table))


def proxies(campaign: Campaign, look: Look) -> Section | None:
    """What proxies add and how they spread requests. None where there is no proxy."""
    if campaign.proxies.empty and campaign.served.empty:
        return None
    titles = {"latency_p50_ms": "median", "latency_p99_ms": "99th percentile"}
    drawn = tuple(
        draw(f"Latency added to direct, {title}", charts.added_latency, campaign.proxies, metric, look)
        for metric, title in titles.items()
    )
    keys = dict.fromkeys(zip(campaign.proxies["variant"], campaign.proxies["level"], strict=True))
    table = Table(
        "Latency added: a variant with a proxy less the same one without it and with one replica, in one block; mean "
        "difference (interval), and the number of blocks",
        ("variant", "against", "level", *titles.values(), "blocks"),
        tuple(_added(campaign, look, variant, level, tuple(titles)) for variant, level in keys),
        "No variant with a proxy was compared with the same one without.",
    )
    blocks: list[Block] = [Group(drawn), table]
    spread = campaign.served[campaign.served["replicas"] > 1]
    if not spread.empty:
        blocks.append(
            Table(
                "Share of its service's requests that each replica got: median, smallest and largest of the trials",
                ("variant", "replica", "equal part", "share", "trials"),
                tuple(
                    _share(own, look)
                    for name in look.present(spread)
                    for _, own in select(spread, variant=name).groupby("instance", sort=False)
                ),
            )
        )
    return Section("proxies", "Proxies", tuple(blocks))


def _instances(own: pd.DataFrame, look: Look) -> list[tuple[Cell, ...]]:
    found = []
    for name, mine in own.groupby("instance", sort=False):
        first = rows(mine)[0]
        emulated = "tcg" if (mine["accelerator"] == "tcg").any() else "none"
        found.append(
            (
                Cell(look.label(first["variant"]), "head"),
                Cell(str(name) if first["role"] == "service" else f"{name} ({first['service']})"),
                Cell(variant_label(first["target"], emulated)),
                *(_median(mine[column], digits) for column, (_, digits) in _FIGURES.items()),
                Cell(str(mine["trial"].nunique()), "number"),
            )
        )
    return found


def _median(values: pd.Series[float], digits: int) -> Cell:
    median = known(float(values.median()))
    return Cell("not measured" if median is None else f"{median:,.{digits}f}", "number")


def _memory_by_service(frame: pd.DataFrame) -> pd.DataFrame:
    """``variant``, ``row``, ``part``, ``mib``: each service's memory, its replicas together; medians of the trials."""
    sums = frame.groupby(["variant", "trial", "service"], sort=False)["memory_load_mib"].sum(min_count=1).dropna()
    medians = sums.groupby(["variant", "service"], sort=False).median().reset_index()
    return medians.rename(columns={"service": "part", "memory_load_mib": "mib"}).assign(row="")


def _kinds(frame: pd.DataFrame) -> str:
    """Which services there are, and whether a proxy stands before them."""
    names = list(dict.fromkeys(select(frame, role="service")["service"].astype(str)))
    proxy = " and a proxy" if (frame["role"] == "proxy").any() else ""
    return f"{len(names)} service{'s' * (len(names) != 1)} ({', '.join(names)}){proxy}"


def _added(campaign: Campaign, look: Look, variant: str, level: str, metrics: tuple[str, ...]) -> tuple[Cell, ...]:
    frame = campaign.proxies
    mine = {str(row["metric"]): row for row in rows(select(frame, variant=variant, level=level))}
    first = next(iter(mine.values()))
    texts = []
    for metric in metrics:
        row = mine.get(metric)
        if row is None:
            texts.append(Cell("not measured", "figure"))
            continue
        found = Estimate(float(row["added_ms"]), known(row["low"]), known(row["high"]), int(row["n"]))
        texts.append(Cell(added(found, str(row["verdict"])), "figure"))
    return (
        Cell(look.label(variant), "head"),
        Cell(look.label(str(first["direct"]))),
        Cell(level),
        *texts,
        Cell(str(first["n"]), "number"),
    )


def _share(own: pd.DataFrame, look: Look) -> tuple[Cell, ...]:
    first, share = rows(own)[0], own["share"]
    return (
        Cell(look.label(first["variant"]), "head"),
        Cell(str(first["instance"])),
        Cell(f"{100 / first['replicas']:.1f} %", "number"),
        Cell(f"{100 * share.median():.1f} % ({100 * share.min():.1f} to {100 * share.max():.1f})", "figure"),
        Cell(str(len(own)), "number"),
    )
