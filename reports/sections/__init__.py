"""The sections of the report, in the order in which they are read."""

from __future__ import annotations

from typing import TYPE_CHECKING

from reports.blocks import Section
from reports.labels import Look
from reports.sections.cdn import caches, regions
from reports.sections.context import method, provenance, validity
from reports.sections.costs import capacity, cpu, footprint, startup, strips
from reports.sections.events import events
from reports.sections.evidence import claims, comparison, failed, unavailable
from reports.sections.latency import latency
from reports.sections.memory import memory
from reports.sections.policies import policies
from reports.sections.sets import proxies, services

if TYPE_CHECKING:
    from harness.analysis import Campaign

__all__ = ["all_sections"]


def all_sections(campaign: Campaign, look: Look) -> tuple[Section, ...]:
    """Every section of the report of this campaign; the question and the answer stand above them."""
    maybe = (
        claims(campaign),
        regions(campaign, look),
        caches(campaign, look),
        policies(campaign, look),
        startup(campaign, look),
        memory(campaign, look),
        latency(campaign, look),
        cpu(campaign, look),
        footprint(campaign, look),
        capacity(campaign, look),
        services(campaign, look),
        proxies(campaign, look),
        events(campaign, look),
        strips(campaign, look),
        comparison(campaign, look),
        unavailable(campaign),
        failed(campaign),
        validity(campaign),
        provenance(campaign, look),
        method(),
    )
    return tuple(section for section in maybe if section is not None)
