"""When a trial is invalid (METHOD: "A trial is invalid when"). Pure; the reasons name the figure and the limit."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from harness.analysis.percentiles import percentile
from harness.clock import NS_PER_MS
from harness.records.instance import Digests
from harness.records.load import LoadFacts
from harness.records.network import BackboneRecord, RttRecord
from harness.records.trial import TrialRecord
from harness.records.window import Noise
from harness.spec.experiment import Validity
from harness.store.words import OUTCOMES, PHASES

ANSWERED = ("ok", "unexpected")
"""Outcomes that came with a response, and so have a latency. A dropped arrival and an error have none."""


def judge(
    *,
    load: LoadFacts | None,
    latency_p99_ns: int | None,
    noise: Noise | None,
    digests: Digests | None,
    limits: Validity,
    is_replay: bool = False,
    rtts: Sequence[RttRecord] = (),
    backbone: BackboneRecord | None = None,
) -> tuple[str, ...]:
    """Why a trial does not count: one reason a rule, in METHOD's order; empty if it counts.

    A part that is None was not measured and is not judged. ``latency_p99_ns`` None means too few samples for a 99th
    percentile; the send lag is then held to ``max_send_lag_ms`` alone. A request that got no response at all (refused,
    broken off, timed out) counts as an unexpected response: otherwise a service could improve its percentiles by not
    answering. Throttling, swap-in and packets that the backbone dropped have no setting: none is allowed.

    A replay has no schedule: nothing of it can be late or missed, so its errors and its answers alone are judged.
    """
    reasons: list[str] = []
    if load is not None and not is_replay:
        reasons += _of_load(load, latency_p99_ns, limits)
    if noise is not None:
        reasons += _of_noise(noise, limits)
    if digests is not None and digests.expected != digests.observed:
        reasons.append(f"the artifact's digest is {digests.observed}, expected {digests.expected}")
    if load is not None and (wrong := load.errors + load.unexpected) > limits.max_unexpected:
        reasons.append(
            f"{wrong:,} unexpected responses ({load.errors:,} of them none at all), limit {limits.max_unexpected:,}"
        )
    reasons += _of_distances(rtts, backbone, limits)
    return tuple(reasons)


def judge_record(record: TrialRecord, p99_ns: int | None, limits: Validity) -> tuple[str, ...]:
    """The reasons that stand for a recorded attempt: those recorded when it ended, else what ``judge`` finds now.

    So an attempt that was stored without having been judged is never taken for valid. Only ``measured`` attempts that
    ended well are judged: a calibration drives the service to its limit on purpose.
    """
    if record.invalid or record.outcome != "ok" or record.kind != "measured":
        return record.invalid
    return judge(
        load=record.load,
        latency_p99_ns=p99_ns,
        noise=record.noise,
        digests=record.digests,
        limits=limits,
        is_replay=record.replay is not None,
        rtts=record.rtts,
        backbone=record.backbone,
    )


def latency_p99_ns(samples: NDArray[np.void]) -> int | None:
    """The 99th percentile of the latency in the generator's raw records, or None where they are too few for one."""
    answered = np.isin(samples["outcome"], [OUTCOMES.index(word) for word in ANSWERED])
    chosen = samples[answered & (samples["phase"] == PHASES.index("measured"))]
    value = percentile((chosen["done_ns"] - chosen["intended_ns"]).astype(np.float64), 0.99)
    return None if value is None else round(value)


def _of_load(load: LoadFacts, p99_ns: int | None, limits: Validity) -> Iterator[str]:
    if load.scheduled == 0:
        yield "the schedule held no arrivals"
    elif (share := load.completed / load.scheduled) < limits.min_achieved_share:
        # Floored, so that a share just below the limit never reads as the limit itself.
        shown = int(share * 1000) / 10
        yield f"achieved {shown:.1f} % of the schedule, limit {_percent(limits.min_achieved_share)}"
    if load.dropped > limits.max_dropped:
        yield f"{load.dropped:,} arrivals dropped, limit {limits.max_dropped:,}"
    lag_limit_ns = max(limits.max_send_lag_ms * NS_PER_MS, limits.max_send_lag_share * (p99_ns or 0))
    if load.send_lag_p99_ns > lag_limit_ns:
        yield f"p99 send lag {load.send_lag_p99_ns / NS_PER_MS:.2f} ms, limit {lag_limit_ns / NS_PER_MS:.2f} ms"
    if load.generator_busy > limits.max_generator_busy:
        busy = f"{load.generator_busy * 100:.1f} %"
        yield f"generator core {busy} busy, limit {_percent(limits.max_generator_busy)}"


def _of_noise(noise: Noise, limits: Validity) -> Iterator[str]:
    if noise.steal_share > limits.max_steal:
        yield f"steal {noise.steal_share * 100:.1f} % of the window, limit {_percent(limits.max_steal)}"
    if noise.throttled_periods > 0:
        yield f"throttled in {noise.throttled_periods:,} periods, limit 0"
    if noise.swapped_in_pages > 0:
        yield f"{noise.swapped_in_pages:,} pages swapped in, limit 0"


def _of_distances(rtts: Sequence[RttRecord], backbone: BackboneRecord | None, limits: Validity) -> Iterator[str]:
    """Regions that are not as far apart as they should be, of which the worst is named, and a core that was full."""
    wrong = [(excess, rtt) for rtt in rtts if (excess := abs(rtt.median_ms - rtt.asked_ms) - _allowed(rtt, limits)) > 0]
    if wrong:
        _, worst = max(wrong, key=lambda pair: pair[0])
        yield (
            f"{worst.region} is {worst.median_ms:.2f} ms from {worst.host} and back, asked {worst.asked_ms:g} ms, "
            f"limit {_allowed(worst, limits):.2f} ms off"
        )
    if backbone is not None and backbone.dropped > 0:
        yield f"the backbone between the regions dropped {backbone.dropped:,} packets, limit 0"


def _allowed(rtt: RttRecord, limits: Validity) -> float:
    """How far off a round-trip time may be, in ms."""
    return max(limits.max_rtt_error_ms, limits.max_rtt_error_share * rtt.asked_ms)


def _percent(share: float) -> str:
    return f"{share * 100:g} %"
