"""Docker's view of the lab's bridge: one network for all containers of a lab, as an address range has one alone.

In a lab with regions it is one for each region, with that region's own addresses: the engine refuses networks that
overlap. So a container does not know that the other regions are on the same network, and is told once it runs.
"""

from __future__ import annotations

import logging
from contextlib import ExitStack
from functools import partial
from types import TracebackType

import docker
from docker.errors import APIError
from docker.types import IPAMConfig, IPAMPool

from harness.lab import namespace
from harness.lab.api import LabAddress
from harness.targets.docker.engine import ENGINE_FAILURES, LABEL, refused, remove_network

log = logging.getLogger(__name__)

_IN_USE = 403
"""The engine's answer for a network that still has containers."""


def network_of(at: LabAddress) -> str:
    """The name of the network that a container at that address is on."""
    return f"{at.lab}-net-{at.region}" if at.region else f"{at.lab}-net"


def join_network(api: docker.APIClient, at: LabAddress, undo: ExitStack) -> str:
    """Make the lab's network if no container of the lab has made it; its name.

    Docker did not make the bridge, so it does not remove it either. The last container that leaves takes the network
    with it. Raises ENGINE_FAILURES; ``undo`` raises DeployError.
    """
    name = network_of(at)
    undo.push(partial(_leave, api, name))
    if not any(found["Name"] == name for found in api.networks(names=[name])):
        log.debug("%s: making network %s on bridge %s", at.prefix, name, at.bridge)
        pool = IPAMPool(subnet=str(at.pool or at.network), gateway=str(at.gateway))
        api.create_network(
            name,
            driver="bridge",
            internal=True,
            ipam=IPAMConfig(pool_configs=[pool]),
            options={"com.docker.network.bridge.name": at.bridge},
            labels={LABEL: at.lab},
        )
    return name


def reach_other_regions(at: LabAddress, pid: int) -> None:
    """A container with that process reaches the whole lab; nothing is to be done without regions. Raises DeployError.

    The engine has no word for a route, and forgets it with the container's network namespace: to be called after every
    start. A ``pid`` of 0 is that of a container that has ended already.
    """
    if pid and at.pool is not None and at.network is not None:
        namespace.reach_directly(f"/proc/{pid}/ns/net", at.network)


def _leave(
    api: docker.APIClient,
    name: str,
    _exc_type: type[BaseException] | None,
    failure: BaseException | None,
    _traceback: TracebackType | None,
) -> None:
    """Raises DeployError, unless something has failed already: that is then what is told."""
    try:
        remove_network(api, name)
    except ENGINE_FAILURES as error:
        in_use = isinstance(error, APIError) and error.status_code == _IN_USE
        if failure is None and not in_use:
            raise refused(f"Network {name} could not be removed", error) from error
