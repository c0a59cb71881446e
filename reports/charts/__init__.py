"""The report's charts. Each is a function of frames that returns a plotly figure; notebooks use them as well.

A chart that would be empty raises NothingToDraw with a sentence that says why.
"""

from __future__ import annotations

from reports.charts.compare import ratio_forest, ratio_rows
from reports.charts.events import event_timeline
from reports.charts.latency import ecdf, percentile_curves
from reports.charts.metrics import metric_dots
from reports.charts.miss_ratios import miss_ratio_chart
from reports.charts.policies import real_against_simulated
from reports.charts.proxies import added_latency
from reports.charts.regions import region_distances, region_ecdf
from reports.charts.stacks import stacked_parts
from reports.charts.startup import phase_ends, startup_phases, startup_timeline
from reports.charts.style import NothingToDraw
from reports.charts.views import views_dots
from reports.labels import Look

__all__ = [
    "Look",
    "NothingToDraw",
    "added_latency",
    "ecdf",
    "event_timeline",
    "metric_dots",
    "miss_ratio_chart",
    "percentile_curves",
    "phase_ends",
    "ratio_forest",
    "ratio_rows",
    "real_against_simulated",
    "region_distances",
    "region_ecdf",
    "stacked_parts",
    "startup_phases",
    "startup_timeline",
    "views_dots",
]
