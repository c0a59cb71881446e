"""The instrument's own floor in this campaign: the null service on the service's CPUs, reached as every variant is."""

from __future__ import annotations

from contextlib import ExitStack

from harness.lab.bridged import make_host
from harness.load.calibration.calibrate import RateSearch, calibrate, null_service
from harness.records.load import NullFloor
from harness.runtime.confinement import Confinement
from harness.spec.route import Route
from harness.trial.campaign_context import CampaignContext


def measure_floor(rate_rps: float, setting: CampaignContext) -> NullFloor:
    """Latency of the null service at ``rate_rps``, and the highest rate that the generator keeps. Some 20 s of 8 steps.

    Raises LoadError when the generator or the null service fails, DeployError when the lab cannot be made.
    """
    name = "null-floor"
    scratch = setting.folder.trial_folder(name).absolute()
    load = setting.experiment.load
    search = RateSearch(rate_rps, setting.experiment.seed, load.max_in_flight, load.null_steps)
    with ExitStack() as stack:
        lab = stack.enter_context(setting.instruments.lab(f"tare-{setting.folder.manifest.tag}-{name}"))
        at = lab.address("null")
        home = Confinement(make_host(at, stack), setting.cpus.service)
        port = stack.enter_context(null_service(str(at.ip), home))
        client = Confinement(lab.client_netns, setting.cpus.generator)
        floor = calibrate(search, Route("/", str(at.ip), port), client, scratch)
    for file in scratch.glob("calibration.bin*"):
        file.unlink()
    return floor
