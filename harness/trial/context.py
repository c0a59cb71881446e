"""What one attempt at a trial works with."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from harness.lab.bridged import Lab
from harness.planning.plan import Demand, PlannedTrial
from harness.trial.campaign_context import CampaignContext
from harness.trial.layout import Layout


@dataclass(frozen=True, slots=True)
class TrialContext:
    """The trial, and what is there before anything of it is launched.

    ``scratch`` is the attempt's folder. ``stack`` ends all that the trial makes.
    """

    planned: PlannedTrial
    demand: Demand
    campaign: CampaignContext
    lab: Lab
    layout: Layout
    scratch: Path
    stack: ExitStack

    @property
    def is_measured(self) -> bool:
        """Whether it is no calibration."""
        return self.planned.kind == "measured"
