from __future__ import annotations

import pandas as pd

from reports.frames import Range
from reports.labels import Look
from reports.sentences import finding, ratio_text, short

NAN = float("nan")
X = "\u00d7"  # the multiplication sign
LOOK = Look.of(
    pd.DataFrame(
        [("measured", "process", "none"), ("measured", "vm", "tcg")], columns=["kind", "variant", "accelerator"]
    )
)
SUMMARIES = pd.DataFrame(
    [("vm", "all", "startup_s", 3, 31.0, 30.0, 32.0), ("process", "all", "startup_s", 3, 0.31, 0.3, 0.32)],
    columns=["variant", "level", "metric", "n", "median", "low", "high"],
)
COMPARISONS = pd.DataFrame(
    [("vm", "process", "all", "startup_s", 3, 100.2, 95.0, 105.0, "worse")],
    columns=["variant", "baseline", "level", "metric", "n", "ratio", "low", "high", "verdict"],
)


def test_a_finding_is_made_of_figures_and_says_emulated() -> None:
    assert finding(SUMMARIES, COMPARISONS, "startup_s", "process", LOOK) == [
        "Startup to the first correct response: process 0.310 s; and vm (emulated) 31.000 s, "
        f"100{X} process (95.0{X} to 105{X})."
    ]


def test_not_resolved_is_said() -> None:
    (text,) = finding(SUMMARIES, COMPARISONS.assign(verdict="not resolved"), "startup_s", "process", LOOK)
    assert text.endswith(f"process (95.0{X} to 105{X}), not resolved.")


def test_one_sentence_per_load_level() -> None:
    both = pd.concat([SUMMARIES.assign(level="100 rps"), SUMMARIES.assign(level="300 rps")])
    texts = finding(both, COMPARISONS, "startup_s", "process", LOOK)
    assert len(texts) == 2
    assert "at 100 rps" in texts[0]
    assert "at 300 rps" in texts[1]


def test_nothing_measured_nothing_said() -> None:
    assert finding(SUMMARIES, COMPARISONS, "capacity_rps", "process", LOOK) == []
    assert finding(SUMMARIES.assign(median=NAN), COMPARISONS, "startup_s", "process", LOOK) == []


def test_a_ratio_without_an_interval() -> None:
    assert ratio_text(Range(1.5, None, None, 1), "process") == f"1.50{X} process"


def test_short_titles_leave_the_explanation_out() -> None:
    assert short("memory_mib") == "Memory at idle"
    assert short("something_else") == "something_else"
