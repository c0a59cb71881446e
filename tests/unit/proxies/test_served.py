"""Who served how many requests, from what a proxy has printed."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.proxies.registry import PROXIES, make

NOISE = [
    "",
    "[NOTICE]   (1) : haproxy version is 2.6.12-1+deb12u3",
    "Server group1/upstream2 is DOWN. 2 active and 0 backup servers left.",
    "2026/11/24 13:00:00 [error] 7#7: *1 connect() failed (111: Connection refused) while connecting to upstream, "
    'upstream: "http://198.18.0.10:8000/served 200 198.18.0.10:8000"',
    "served 404 -",
    "served 503 -:-",
    "served 400 <NOSRV>:0",
    "served 403 -:-",
    "(the container ended with exit code 137; no engine error)",
]
ADDRESSES = st.builds("198.18.0.{}:{}".format, st.integers(1, 254), st.integers(1, 65_535))


LOGGING = [name for name, proxy in PROXIES.items() if proxy.logs]


@pytest.mark.parametrize("name", LOGGING)
@given(counts=st.dictionaries(ADDRESSES, st.integers(1, 9), max_size=4), seed=st.integers())
def test_every_request_is_counted_for_the_upstream_that_it_was_passed_to(
    name: str, counts: dict[str, int], seed: int
) -> None:
    lines = [f"served 200 {address}" for address, times in counts.items() for _ in range(times)]
    lines += NOISE
    random.Random(seed).shuffle(lines)
    assert make(name).served("\n".join(lines)) == counts


@pytest.mark.parametrize("name", PROXIES.keys() - set(LOGGING))
def test_what_prints_nothing_counts_nothing(name: str) -> None:
    assert make(name).served("served 200 198.18.0.10:8000\n") == {}


def test_of_a_request_that_was_passed_on_the_last_upstream_counts() -> None:
    log = "served 200 198.18.0.10:8000, 198.18.0.11:8000\nserved 502 198.18.0.11:8000, 198.18.0.10:8000 \r\n"
    assert make("nginx").served(log) == {"198.18.0.11:8000": 1, "198.18.0.10:8000": 1}
