"""Which network a lab is given, beside another lab that is being made."""

from __future__ import annotations

import threading
from ipaddress import IPv4Network
from pathlib import Path

import pytest

from harness.lab import subnets

FIRST, SECOND = IPv4Network("198.18.0.0/24"), IPv4Network("198.18.1.0/24")


def test_two_labs_at_once_are_not_given_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second waits until the first has its bridge."""
    bridges: list[IPv4Network] = []
    monkeypatch.setattr(subnets, "run_dir", lambda: tmp_path)
    monkeypatch.setattr(subnets, "_routed", lambda _route: iter(bridges))
    monkeypatch.setattr(subnets, "_pools", lambda: iter(()))

    def other() -> None:
        with subnets.claimed_subnet() as network:
            bridges.append(network)

    thread = threading.Thread(target=other)
    with subnets.claimed_subnet() as network:
        thread.start()
        thread.join(0.2)
        assert thread.is_alive()
        bridges.append(network)
    thread.join(10)
    assert bridges == [FIRST, SECOND]
