"""The lab beside a container engine: what the engine does with its own network must not cut the lab's."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

import pytest

from harness.lab.bridged import make_host
from harness.probes import reach
from harness.targets.docker.target import ContainerTarget
from tests.support import hello
from tests.support.deploy import bridged_lab, deployed

pytestmark = pytest.mark.timeout(1500)

NOBODY_LISTENS = "ECONNREFUSED"
"""What a host answers that is reached."""


def test_hosts_reach_each_other_before_during_and_after_a_container(tmp_path: Path) -> None:
    """Docker removes the network with its last container, and its rule for the bridge with it."""
    target, artifact = ContainerTarget(), hello.build()
    target.prepare(artifact)
    with bridged_lab("engine") as lab, ExitStack() as stack:
        at = lab.address("host")
        make_host(at, stack)

        def seen() -> str:
            return reach.connect(str(at.ip), 9, lab.client_netns)

        assert seen() == NOBODY_LISTENS
        with deployed(target, hello.service(artifact), lab, tmp_path):
            assert seen() == NOBODY_LISTENS
        assert seen() == NOBODY_LISTENS
