"""An experiment's simulation against policies written independently of it: the same requests, the same warm-up."""

from __future__ import annotations

import pytest

from harness.records.cache import CacheRecord
from harness.simulation.catalogue import Catalogue, requests
from harness.simulation.experiment import simulate_experiment
from harness.simulation.policies import chosen
from harness.spec.experiment import Experiment
from harness.spec.sequence import CatalogueSpec, SequenceSpec
from tests.support.plain_caches import PLAIN

CATALOGUE = Catalogue.of(CatalogueSpec(objects=2000))
SEQUENCE = {"requests": 10_000, "objects": 1500, "exponent": 0.8, "wonders": 0.02}
START, COUNT, WARMUP = 500, 6000, 2000
EFFECTIVE = int(0.02 * CATALOGUE.bytes) - 1234


def test_real_caches_are_given_what_their_plain_policies_keep() -> None:
    experiment = Experiment.of_stored(
        {
            "name": "it",
            "question": "What is kept?",
            "workload": "static",
            "matrix": {"targets": ["process"], "proxies": ["varnish"], "cache_shares": [0.02]},
            "sequences": {"one": SEQUENCE},
            "prefill": START,
            "baseline": "process-varnish-2pc",
            "load": {"replay": {"requests": COUNT, "warmup": WARMUP}},
        }
    )
    size = int(0.02 * CATALOGUE.bytes)
    real = [
        CacheRecord(
            instance="proxy", kind="varnish", policy=policy, size_bytes=size, share=0.02, effective_bytes=EFFECTIVE
        )
        for policy in ("lru", "fifo")
    ]
    found = simulate_experiment(experiment, CATALOGUE, real, policies=chosen("LRU,FIFO,SIEVE"), jobs=2)
    asked = [
        (int(key), int(length))
        for block in requests(CATALOGUE, SequenceSpec.model_validate(SEQUENCE), START, COUNT)
        for key, length in zip(block["id"], block["size"], strict=True)
    ]
    assert len(found.ratios) == 3 + 2
    for ratio in found.ratios:
        assert ratio.effective_bytes == (EFFECTIVE if ratio.matched else size)
        expected = PLAIN[ratio.policy](asked, ratio.effective_bytes).ratios(asked, WARMUP)
        assert (ratio.by_requests, ratio.by_bytes) == pytest.approx(expected, abs=1e-9)
