"""How the truths are weighed, and how what came out is told: three outcomes, and a table of all figures at the end."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager

import pytest

from tests.support.truth import Figures, Judged, Truth, Verdict, Window, measure, unwatched

FOUND = pytest.StashKey[list[Judged]]()
IMPRECISE = "imprecise"


class Weigh:
    """Measures truths, tells each one's figure, and fails where one differs."""

    def __init__(self, found: list[Judged], node: pytest.Item) -> None:
        self._found = found
        self._node = node

    def __call__(
        self,
        truths: Sequence[Truth],
        once: Callable[[], Figures],
        budget_s: float,
        watch: Callable[[], AbstractContextManager[Window]] = unwatched,
    ) -> None:
        """See tests.support.truth.measure."""
        judged = measure(truths, once, budget_s, watch)
        self._found += judged
        for each in judged:
            print(each)
        if any(each.verdict is Verdict.IMPRECISE for each in judged):
            self._node.user_properties.append((IMPRECISE, True))
        differ = [str(each) for each in judged if each.verdict is Verdict.DIFFERS]
        if differ:
            pytest.fail("\n".join(differ), pytrace=False)


@pytest.fixture
def weigh(request: pytest.FixtureRequest) -> Weigh:
    """For tests that measure."""
    return Weigh(request.config.stash.setdefault(FOUND, []), request.node)


def pytest_report_teststatus(report: pytest.TestReport) -> tuple[str, str, str] | None:
    """A test that could not tell has not passed, and has not failed either: it counts by itself."""
    if report.when == "call" and report.passed and (IMPRECISE, True) in report.user_properties:
        return IMPRECISE, "~", "NOT ENOUGH PRECISION"
    return None


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Every figure with its interval, whatever came out."""
    found = config.stash.get(FOUND, [])
    if not found:
        return
    terminalreporter.section("truths")
    for verdict in Verdict:
        of_them = [each for each in found if each.verdict is verdict]
        terminalreporter.line(f"{verdict}: {len(of_them)}")
        for each in of_them:
            terminalreporter.line(f"  {each}")
