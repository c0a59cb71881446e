"""The section on memory: one ledger, several views, none of them added to another."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from reports import charts
from reports.blocks import Cell, Section, Table, Text, draw
from reports.labels import Look
from reports.tables import figures, findings, too_many_cells

if TYPE_CHECKING:
    from harness.analysis import Campaign

_MOMENTS = {"idle": "idle", "load": "under load"}
_ROLES = {
    "app": "the service itself",
    "guest_ram": "guest RAM touched",
    "emulator_cache": "emulator's translation cache",
    "vmm": "VMM, the rest",
    "shim": "shim",
    "proxy": "docker-proxy",
    "helper": "helpers",
}

_VIEWS = {
    "pss": "PSS sum",
    "cgroup_total": "control group",
    "engine": "engine's growth",
    "inside": "guest's own view",
}
_NOT_ADDED = ("peak", "available")
"""Parts that are no share of their view's sum."""
_SHOWN = (
    "memory_mib",
    "memory_load_mib",
    "memory_cgroup_mib",
    "memory_overhead_mib",
    "memory_inside_mib",
)


def memory(campaign: Campaign, look: Look) -> Section:
    frame = campaign.memory
    roles = pss_by_role(frame)
    views = by_view(frame)
    side_by_side = draw(
        "The views side by side, never added up: they count different things. What a guest sees of itself is never "
        "compared with a host's figure. Each marker is a trial, open at idle and filled under load; a dark tick is the "
        "median.",
        charts.views_dots,
        views,
        look,
    )
    return Section(
        "memory",
        "Memory",
        (
            *findings(campaign, look, "memory_mib"),
            draw(
                "PSS of every host process that exists because of the instance, by role: medians of the valid trials, "
                "at idle after settling and under load. The number behind a bar is the sum of its parts.",
                charts.stacked_parts,
                roles,
                look,
                title="MiB of PSS",
                whole="PSS sum",
            ),
            Text(
                "A guest's RAM that was touched and the emulator's own memory stand apart: the first is what the guest "
                "uses of its machine, the second is the price of software emulation, and hardware virtualisation does "
                "not pay it."
            ),
            *(() if too_many_cells(campaign, look) else (side_by_side,)),
            figures(campaign, look, "Memory", _SHOWN),
            _ledger(frame, look),
        ),
    )


def pss_by_role(memory: pd.DataFrame) -> pd.DataFrame:
    """``variant``, ``row`` (the moment), ``part``, ``mib``: medians of the trials."""
    return _medians(memory[memory["view"] == "pss"])


def by_view(memory: pd.DataFrame) -> pd.DataFrame:
    """``variant``, ``view``, ``moment``, ``trial``, ``mib``: each trial's figure in each view."""
    chosen = memory[memory["view"].isin(_VIEWS) & ~memory["part"].isin(_NOT_ADDED)]
    sums = chosen.groupby(["view", "variant", "moment", "trial"], sort=False)["mib"].sum().reset_index()
    sums = sums.sort_values("view", key=lambda view: view.map(list(_VIEWS).index), kind="stable")
    return sums.assign(view=sums["view"].map(_VIEWS)).reset_index(drop=True)


def _medians(part: pd.DataFrame) -> pd.DataFrame:
    medians = part.groupby(["variant", "moment", "part"], sort=False)["mib"].median().reset_index()
    medians["row"] = [_MOMENTS.get(moment, moment) for moment in medians["moment"].astype(str)]
    medians["part"] = [_ROLES.get(role, role) for role in medians["part"].astype(str)]
    return medians[["variant", "row", "part", "mib"]]


def _ledger(memory: pd.DataFrame, look: Look) -> Table:
    medians = memory.groupby(["variant", "view", "part", "moment"], sort=False)["mib"].median()
    keys = dict.fromkeys((str(variant), str(view), str(part)) for variant, view, part, _ in medians.index)
    return Table(
        "The ledger: medians of the valid trials, MiB",
        ("variant", "view", "part", *_MOMENTS.values()),
        tuple(
            (
                Cell(look.label(name), "head"),
                Cell(_VIEWS.get(view, "control group, by kind")),
                Cell(_ROLES.get(part, part)),
                *(_amount(medians.get((name, view, part, moment))) for moment in _MOMENTS),
            )
            for name in look.order
            for variant, view, part in keys
            if variant == name
        ),
        "No valid trial has a memory reading.",
        folded=True,
    )


def _amount(mib: float | None) -> Cell:
    return Cell("not read" if mib is None else f"{mib:,.1f}", "number")
