"""The report in a real browser with no network: it draws everything, complains of nothing, fits a phone and prints."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, ViewportSize, sync_playwright

from harness.analysis import Campaign, load
from harness.spec.event import EventSpec
from reports.html import write_report
from tests.unit.analysis.synthetic_cdn import make_cdn
from tests.unit.analysis.synthetic_policies import make_policies
from tests.unit.analysis.synthetic_sets import make_sets
from tests.unit.reports.folders import Made, write_campaign

QUIET = [
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-default-apps",
    "--disable-sync",
    "--no-first-run",
]
UNDRAWN = """() => Array.from(document.querySelectorAll('.plotly-graph-div')).filter((chart) =>
    !chart.querySelector('svg.main-svg') || !chart.querySelector('.barlayer path, .scatterlayer path')
).map((chart) => chart.getAttribute('aria-label'))"""
TOO_WIDE = """() => document.documentElement.scrollWidth - document.documentElement.clientWidth"""
CUT = """() => Array.from(document.querySelectorAll('.plotly-graph-div svg.main-svg')).filter((svg) =>
    svg.getBoundingClientRect().width > svg.closest('.plotly-graph-div').clientWidth + 1).length"""
NARROW = """() => Array.from(document.querySelectorAll('.plotly-graph-div')).filter((chart) =>
    chart.checkVisibility() && chart._fullLayout._size.w < chart.clientWidth / 3
).map((chart) => chart.getAttribute('aria-label'))"""
TALLEST = 1900
WATCHDOG_MS = 300_000
KILL = EventSpec(kind="kill", service="svc")
KILL_POP = EventSpec(kind="kill", service="proxy-ap-southeast")

Writer = Callable[[Path], Campaign]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    chromium = shutil.which("chromium")
    assert chromium, "install chromium (Debian's package) to test the report"
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=chromium, chromium_sandbox=False, args=QUIET)
        yield opened
        opened.close()


def usual(**days: object) -> Writer:
    """A campaign of targets alone."""
    return lambda path: load(write_campaign(path, Made(**days)))  # type: ignore[arg-type]  # plain test values


CAMPAIGNS: dict[str, Writer] = {
    "usual": usual(levels_rps=(100.0, 300.0), fail=[(1, "vm")], spoil=[(2, "container")]),
    "process-only": usual(targets=("process",), aa=None),
    "all-failed": usual(fail_all=True, null=False),
    "single-trial": usual(blocks=1, aa=None),
    "sets": lambda path: make_sets(path, targets=("container", "vm")),
    "proxies": lambda path: make_sets(
        path, topologies=("single",), proxies=("direct", "nginx", "squid"), replicas=(1, 3), events=(KILL,)
    ),
    "cdn": lambda path: make_cdn(path, events=(KILL_POP,)),
    "policies": lambda path: make_policies(path),
}
"""A usual campaign, the bad days, sets with proxies and events, regions with caches, and replays through caches."""

CASES = [
    pytest.param(day, width, marks=pytest.mark.core if day in ("usual", "cdn") and width != 375 else ())
    for day in CAMPAIGNS
    for width in (1280, 390, 375)
]


@pytest.fixture(scope="module")
def reports(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """The report of a campaign of that name, written when it is first asked for."""
    path = tmp_path_factory.mktemp("reports")
    return cache(lambda day: write_report(CAMPAIGNS[day](path / day), path / f"{day}.html"))


def opened(browser: Browser, report: Path, width: int) -> tuple[Page, list[str]]:
    """The page once every chart is drawn, and what went wrong on the way."""
    context = browser.new_context(offline=True, viewport=ViewportSize(width=width, height=900))
    context.set_default_timeout(WATCHDOG_MS)
    page = context.new_page()
    wrong: list[str] = []
    page.on("console", lambda message: wrong.append(f"{message.type}: {message.text}"))
    page.on("pageerror", lambda error: wrong.append(f"error: {error}"))
    page.on("request", lambda request: wrong.append(request.url) if request.url != report.as_uri() else None)
    page.goto(report.as_uri())
    page.wait_for_function("document.documentElement.dataset.charts === 'drawn'")
    return page, wrong


@pytest.mark.parametrize(("day", "width"), CASES)
def test_it_draws_everything_and_asks_the_network_for_nothing(
    browser: Browser, reports: Callable[[str], Path], day: str, width: int, tmp_path: Path
) -> None:
    page, wrong = opened(browser, reports(day), width)
    assert wrong == []
    assert page.evaluate(UNDRAWN) == []
    assert page.evaluate(TOO_WIDE) <= 0, "the page scrolls sideways"
    assert page.evaluate(CUT) == 0, "a chart is wider than its place"
    assert page.locator(".plotly-graph-div svg.main-svg").count() > 0
    _keep(page, tmp_path, f"{day}-{width}", width)
    page.context.close()


@pytest.mark.parametrize("width", [1280, 390])
def test_sets_have_their_sections_and_labels_leave_room_for_the_picture(
    browser: Browser, reports: Callable[[str], Path], width: int
) -> None:
    page, _ = opened(browser, reports("sets"), width)
    for section in ("services", "proxies", "events"):
        assert page.locator(f"#{section} .plotly-graph-div svg.main-svg").count() > 0
    assert page.evaluate(NARROW) == [], "an axis leaves less than a third of the chart for its picture"
    page.context.close()


@pytest.mark.parametrize("width", [1280, 390])
@pytest.mark.parametrize(("day", "sections"), [("cdn", ("regions", "caches", "events")), ("policies", ("policies",))])
def test_regions_and_policies_have_their_sections(
    browser: Browser, reports: Callable[[str], Path], day: str, sections: tuple[str, ...], width: int
) -> None:
    page, _ = opened(browser, reports(day), width)
    for section in sections:
        assert page.locator(f"#{section} .plotly-graph-div svg.main-svg").count() > 0
    assert page.evaluate(NARROW) == [], "an axis leaves less than a third of the chart for its picture"
    assert reports(day).stat().st_size <= 6_000_000
    page.context.close()


def test_it_prints(browser: Browser, reports: Callable[[str], Path], tmp_path: Path) -> None:
    page, wrong = opened(browser, reports("usual"), 1280)
    pdf = page.pdf(path=tmp_path / "report.pdf", format="A4", print_background=True)
    assert pdf.startswith(b"%PDF")
    assert len(pdf) > 100_000
    # After printing the charts fit the screen again.
    assert page.evaluate(CUT) == 0
    assert wrong == []
    page.context.close()


def test_a_folded_table_and_a_log_open(browser: Browser, reports: Callable[[str], Path]) -> None:
    page, _ = opened(browser, reports("usual"), 1280)
    log = page.locator("details.log").first
    assert not log.locator("pre").is_visible()
    log.locator("summary").click()
    assert "Traceback: no such file" in log.locator("pre").inner_text()
    page.context.close()


def test_a_campaign_of_many_levels_and_trials_still_fits(tmp_path: Path) -> None:
    levels = tuple(float(rate) for rate in range(100, 900, 100))
    campaign = load(write_campaign(tmp_path / "campaign", Made(levels_rps=levels, blocks=10, seconds=1.0)))
    assert write_report(campaign, tmp_path / "report.html").stat().st_size <= 6_000_000


def _keep(page: Page, folder: Path, name: str, width: int) -> None:
    """Pictures to be looked at, in pieces."""
    height = int(page.evaluate("document.documentElement.scrollHeight"))
    for i, top in enumerate(range(0, min(height, 4 * TALLEST), TALLEST)):
        clip = {"x": 0, "y": top, "width": width, "height": min(TALLEST, height - top)}
        page.screenshot(path=folder / f"{name}-{i}.png", full_page=True, clip=clip)  # type: ignore[arg-type]  # a dict
