"""A trial's record while the trial runs: which failure counts, and what a failure keeps."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from harness.records.instance import Footprint
from harness.records.trial import Failure
from harness.trial.draft import TrialDraft
from tests.unit.analysis.synthetic_records import record

MADE = replace(record("process", "100 rps", 100.0, 1, 1, np.random.default_rng(1)), instances=())


def failure(what: str) -> Failure:
    return Failure(kind="DeployError", what=what, remedy="Look.", logs="its log")


def test_the_first_failure_counts_and_later_ones_are_lines_of_its_logs() -> None:
    draft = TrialDraft(MADE)
    draft.failed(failure("It ended."))
    draft.failed(failure("It could not be removed."))
    made = draft.finished((), None)
    assert made.outcome == "failed"
    assert made.failure == replace(failure("It ended."), logs="its log\nthen: It could not be removed.")


def test_a_failure_keeps_what_was_measured_before_it() -> None:
    draft = TrialDraft(MADE)
    draft.record = replace(draft.record, footprint=Footprint({"image": 7}))
    draft.failed(failure("It ended."))
    assert draft.finished((), "trials/x/samples.parquet").footprint.total == 7


def test_what_disturbed_a_trial_is_in_its_record() -> None:
    made = TrialDraft(MADE).finished(("steal",), None)
    assert (made.outcome, made.invalid, made.valid, made.instances) == ("ok", ("steal",), False, ())
