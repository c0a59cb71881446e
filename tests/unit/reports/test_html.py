"""The report's structure, read back with the standard library's HTML parser."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from harness.analysis import load
from harness.errors import StoreError
from harness.records.campaign import UnavailableTarget
from reports.html import render, write_report
from tests.unit.analysis.synthetic_records import DIGEST
from tests.unit.reports.folders import Made, write_campaign

SECTIONS = [
    "claims", "startup", "memory", "latency", "cpu", "footprint", "trials", "comparison", "unavailable", "failed",
    "validity", "provenance", "method",
]  # fmt: skip
SPEC_DIGEST = "sha256:" + "00" * 32
LOADING = {"script": "src", "link": "href", "img": "src", "iframe": "src", "source": "src", "object": "data"}
VOID = {"meta", "link", "br", "img", "input", "hr"}


class Page(HTMLParser):
    """What the tests ask of the page: its tags, ids, links and texts, script texts apart."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.ids: list[str] = []
        self.links: list[str] = []
        self.resources: list[str] = []
        self.scripts: list[tuple[dict[str, str | None], str]] = []
        self.texts: list[str] = []
        self.charts = 0
        self.open: list[str] = []
        self._script: dict[str, str | None] | None = None
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        if tag not in VOID:
            self.open.append(tag)
        if values.get("id"):
            self.ids.append(str(values["id"]))
        if tag == "a":
            self.links.append(str(values.get("href")))
        if tag in LOADING and LOADING[tag] in values:
            self.resources.append(str(values[LOADING[tag]]))
        if "plotly-graph-div" in str(values.get("class")):
            self.charts += 1
        if tag == "script":
            self._script = values

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag, f"</{tag}> closes another element"
        self._script = None

    def handle_data(self, data: str) -> None:
        if self._script is not None:
            self.scripts.append((self._script, data))
        elif "style" not in self.open[-1:]:
            self.texts.append(data)

    @property
    def text(self) -> str:
        return re.sub(r"\s+", " ", " ".join(self.texts))


def page_of(path: Path, made: Made | None = None) -> Page:
    return Page(render(load(write_campaign(path / "campaign", made))))


@pytest.fixture(scope="module")
def html(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = write_campaign(
        tmp_path_factory.mktemp("report") / "campaign",
        Made(
            question="What does <script>alert(1)</script> cost?",
            fail=[(1, "vm")],
            spoil=[(2, "container")],
            logs="<script>alert('log')</script>\n" * 500,
            unavailable=[UnavailableTarget(target="swarm", reason="no swarm here", fix="docker swarm init")],
        ),
    )
    return render(load(path))


@pytest.fixture(scope="module")
def page(html: str) -> Page:
    return Page(html)


def test_all_sections_are_there_in_order_and_linked(page: Page) -> None:
    assert [name for name in page.ids if name in SECTIONS] == SECTIONS
    assert page.open == []
    assert len(page.ids) == len(set(page.ids))
    for name in ["answer", *SECTIONS]:
        assert f"#{name}" in page.links


def test_nothing_is_loaded_from_anywhere(page: Page, html: str) -> None:
    assert page.resources == ["data:,"]
    assert all(link.startswith("#") for link in page.links)
    assert "default-src 'none'" in html
    assert "@import" not in html.split("</style>")[0]
    assert "url(" not in html.split("</style>")[0]


def test_plotly_is_inlined_once(page: Page) -> None:
    plotly = [text for attributes, text in page.scripts if "plotly.js v" in text[:200]]
    assert len(plotly) == 1


def test_it_is_small_enough(html: str) -> None:
    assert len(html.encode()) <= 6_000_000


def test_every_chart_has_data(page: Page) -> None:
    data = [(attributes, text) for attributes, text in page.scripts if attributes.get("type") == "application/json"]
    figures = [json.loads(text) for attributes, text in data if "id" not in attributes]
    assert len(figures) == page.charts
    assert page.charts > 15
    assert all(figure["data"] for figure in figures)


def test_what_a_user_wrote_is_never_markup(page: Page, html: str) -> None:
    assert "<script>alert" not in html
    assert "What does <script>alert(1)</script> cost?" in page.text
    assert "<script>alert('log')</script>" in page.text


def test_a_long_log_is_cut_and_says_so(page: Page) -> None:
    assert "[the last 6,000 of " in page.text


def test_an_emulated_machine_is_called_so_everywhere(html: str) -> None:
    shown = re.sub(r"<script>.*?</script>", "", html, flags=re.S)
    for found in re.finditer(r"(?<![\w.-])vm(?![\w-])", shown):
        assert shown.startswith("vm (emulated)", found.start()), shown[found.start() - 40 : found.end() + 40]


def test_failed_and_invalid_trials_are_listed_with_their_reasons(page: Page) -> None:
    assert "The service did not answer in 120 s." in page.text
    assert "steal 3.1 %, limit 2 %" in page.text
    assert "What to do: Read its log." in page.text


def test_unavailable_targets_come_with_the_command_that_fixes_it(page: Page) -> None:
    assert "no swarm here" in page.text
    assert "docker swarm init" in page.text


def test_limits_provenance_and_floor_are_printed(page: Page) -> None:
    for fact in ["set by the experiment; the default is at most 2.0%", "6.1.0-host", "20.10.24", SPEC_DIGEST, DIGEST,
                 "1.0 s", "tare run synthetic", "5,000 requests/s", "madvise"]:  # fmt: skip
        assert fact in page.text, fact


def test_only_the_process_was_measured(tmp_path: Path) -> None:
    gone = [UnavailableTarget(target="vm", reason="libvirtd does not answer", fix="tare provision")]
    page = page_of(tmp_path, Made(targets=("process",), aa=None, unavailable=gone))
    assert "Nothing was compared" in page.text
    assert "libvirtd does not answer" in page.text
    assert page.charts > 8


def test_all_trials_failed(tmp_path: Path) -> None:
    page = page_of(tmp_path, Made(fail_all=True, null=False))
    for sentence in ["No valid trial reached a first correct response", "No valid trial has a memory reading",
                     "No valid trial has latency samples", "The null service was not measured",
                     "Nothing was compared"]:  # fmt: skip
        assert sentence in page.text, sentence


def test_a_single_trial_has_no_interval(tmp_path: Path) -> None:
    page = page_of(tmp_path, Made(blocks=1, aa=None))
    assert "no interval" in page.text
    assert "nan" not in page.text.lower().split()


def test_limits_that_the_host_does_not_enforce_are_told(tmp_path: Path, page: Page) -> None:
    told = "does not let Tare enforce the CPU and memory limits of: process."
    assert told in page_of(tmp_path, Made(targets=("process",), aa=None, blocks=1, limited=False)).text
    assert "does not let Tare enforce" not in page.text


def test_every_load_level_has_its_curves(tmp_path: Path) -> None:
    page = page_of(tmp_path, Made(levels_rps=(100.0, 300.0), targets=("process", "vm"), aa=None, blocks=2))
    assert "Load level 100 rps" in page.text
    assert "Load level 300 rps" in page.text


def test_writing_replaces_and_leaves_nothing_beside_it(tmp_path: Path) -> None:
    campaign = load(write_campaign(tmp_path / "campaign", Made(targets=("process",), aa=None, blocks=1, seconds=0.4)))
    out = tmp_path / "out" / "report.html"
    assert write_report(campaign, out) == out
    first = out.read_text("utf-8")
    write_report(campaign, out)
    assert out.read_text("utf-8") == first
    assert [file.name for file in out.parent.iterdir()] == ["report.html"]


def test_a_path_that_cannot_be_written_is_an_error_with_a_remedy(tmp_path: Path) -> None:
    campaign = load(write_campaign(tmp_path / "campaign", Made(targets=("process",), aa=None, blocks=1, seconds=0.4)))
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError) as caught:
        write_report(campaign, tmp_path / "file" / "report.html")
    assert "-o" in caught.value.remedy
