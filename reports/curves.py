"""Miss-ratio curves as one self-contained HTML file."""

from __future__ import annotations

from pathlib import Path

from harness import __version__
from harness.simulation.curves import Curves
from reports.blocks import Cell, Table, draw
from reports.charts.miss_ratios import miss_ratio_chart
from reports.frames import rows
from reports.html import page, write_page

_COLUMNS = ("policy", "cache size", "bytes", "missed requests", "missed bytes")


def render_curves(curves: Curves) -> str:
    """The HTML; texts that came with the source are escaped."""
    frame = curves.frame()
    charts = (
        draw("Misses by requests: the share of requests that the cache could not answer.", miss_ratio_chart, frame),
        draw(
            "Misses by bytes: the share of the requested bytes that had to be fetched.",
            miss_ratio_chart,
            frame,
            "byte_miss_ratio",
        ),
    )
    listed = tuple(
        (
            Cell(str(row["policy"]), "head"),
            Cell(str(row["size"])),
            Cell(f"{row['cache_bytes']:,}", "number"),
            Cell(f"{row['miss_ratio']:.5f}", "number"),
            Cell(f"{row['byte_miss_ratio']:.5f}", "number"),
        )
        for row in rows(frame)
    )
    figures = Table("Miss ratios of every policy at every size", _COLUMNS, listed)
    return page(
        "curves.html.j2", curves=curves, charts=charts, figures=figures, summary=_summary(curves), version=__version__
    )


def write_curves(curves: Curves, path: Path) -> Path:
    """Write that HTML to ``path``, whole or not at all. Returns ``path``. Raises StoreError if it cannot be written."""
    return write_page(render_curves(curves), path)


def _summary(curves: Curves) -> str:
    warm = f" The first {curves.warm_up:,} filled the caches and are not counted." if curves.warm_up else ""
    return (
        f"{curves.requests:,} requests for {curves.objects:,} objects with a footprint of "
        f"{curves.footprint_bytes:,} bytes.{warm}"
    )
