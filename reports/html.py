"""The report: one HTML file that holds everything it needs and asks the network for nothing."""

from __future__ import annotations

import json
import os
import tempfile
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape
from markupsafe import Markup
from plotly.offline import get_plotlyjs

from harness.analysis.answer import answer
from harness.analysis.intervals import MANY
from harness.errors import StoreError
from reports.blocks import inert
from reports.charts.style import TEMPLATE
from reports.labels import Look
from reports.sections import all_sections

if TYPE_CHECKING:
    from harness.analysis import Campaign


def render(campaign: Campaign) -> str:
    """The report's HTML. Every text of the campaign is escaped; scripts and styles are inlined, each once."""
    manifest = campaign.manifest
    look = Look.of(campaign.trials, manifest.variants)
    return page(
        "report.html.j2",
        campaign=campaign,
        answer=answer(campaign),
        manifest=manifest,
        look=look,
        question=campaign.experiment.question,
        name=campaign.experiment.name,
        baseline=campaign.experiment.baseline,
        sections=all_sections(campaign, look),
        exact_from=MANY,
    )


def page(template: str, **content: object) -> str:
    """The HTML of a template of ours with that content, every text of it escaped, and with all that its charts need."""
    environment = Environment(
        loader=PackageLoader("reports"),
        autoescape=select_autoescape(default=True, default_for_string=True),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template(template).render(
        template=inert(json.dumps(TEMPLATE.to_plotly_json())),
        # Our own files, not the campaign's text.
        css=Markup(_static("report.css")),
        js=Markup(_static("report.js")),
        plotly=Markup(get_plotlyjs()),
        **content,
    )


def write_report(campaign: Campaign, path: Path) -> Path:
    """Write the report to ``path``, whole or not at all; an older one is replaced. Returns ``path``.

    Raises StoreError if it cannot be written.
    """
    return write_page(render(campaign), path)


def write_page(text: str, path: Path) -> Path:
    """As ``write_report``, for HTML that is there already."""
    temporary = ""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(
            "w", encoding="utf-8", dir=path.parent, prefix=f".{path.name}.", delete=False
        ) as file:
            temporary = file.name
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).chmod(0o644)
        Path(temporary).replace(path)
    except OSError as error:
        if temporary:
            Path(temporary).unlink(missing_ok=True)
        raise StoreError(
            f"the report could not be written to {path}: {error.strerror or error}",
            "give another file with -o, in a folder that you may write and that has room (about 6 MB)",
        ) from error
    return path


def _static(name: str) -> str:
    return resources.files("reports").joinpath("static", name).read_text(encoding="utf-8")
