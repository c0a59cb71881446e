"""The instrument's own floor in this campaign: the null service on the service's CPUs, reached as every variant is."""

from __future__ import annotations

from contextlib import ExitStack

from harness.deployment.setting import Setting
from harness.lab.bridged import make_host
from harness.load.calibration.calibrate import RateSearch, calibrate, null_service
from harness.load.confinement import Confinement
from harness.spec.route import Route
from harness.store.campaign_records import NullFloor


def measure_floor(rate_rps: float, setting: Setting) -> NullFloor:
    """Latency of the null service at ``rate_rps``, and the highest rate that the generator keeps. About 20 s.

    Raises LoadError when the generator or the null service fails, DeployError when the lab cannot be made.
    """
    name = "null-floor"
    scratch = setting.folder.trial_folder(name).absolute()
    load = setting.experiment.load
    search = RateSearch(rate_rps, setting.experiment.seed, load.max_in_flight)
    with ExitStack() as stack:
        lab = stack.enter_context(setting.instruments.lab(f"tare-{setting.folder.manifest.tag}-{name}"))
        at = lab.address("null")
        home = Confinement(make_host(at, stack), setting.cpus.service)
        port = stack.enter_context(null_service(str(at.ip), home))
        client = Confinement(lab.client_netns, setting.cpus.generator)
        floor = calibrate(search, Route("/", str(at.ip), port), client, scratch)
    for file in scratch.glob("calibration.bin*"):
        file.unlink()
    return NullFloor(
        rate_rps=floor.rate_rps,
        latency_p50_ms=floor.latency_p50_ms,
        latency_p99_ms=floor.latency_p99_ms,
        service_time_p50_ms=floor.service_time_p50_ms,
        send_lag_p99_ms=floor.send_lag_p99_ms,
        highest_rate_rps=floor.highest_rate_rps,
    )
