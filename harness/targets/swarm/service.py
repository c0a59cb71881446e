"""What the engine is asked for: a network on the lab's bridge, and a service whose tasks are hosts on it.

Docker's overlay and its virtual addresses need IPVS, which a kernel may lack, and would be another path than the other
targets'. So the network is a swarm-scoped one from a configuration of this node's, on the lab's existing bridge, and
the service is in ``dnsrr`` mode: each replica has an address of its own out of the place's range, and no other.
"""

from __future__ import annotations

from ipaddress import IPv4Network, summarize_address_range
from typing import Any, Literal

import docker
from docker.errors import create_api_error_from_http_exception
from docker.types import (
    ContainerSpec,
    EndpointSpec,
    NetworkAttachmentConfig,
    Placement,
    Resources,
    RestartPolicy,
    ServiceMode,
    TaskTemplate,
    UpdateConfig,
)
from docker.utils import version_gte
from requests.exceptions import HTTPError

from harness.clock import NS_PER_S
from harness.errors import DeployError
from harness.lab.api import LabAddress
from harness.targets.api import END_GRACE_S, Service
from harness.units import MIB

LABEL = "tare-swarm"
"""The label of everything of a swarm service, its value the instance's prefix. Not that of plain containers: these are
removed by themselves, a task only with its service."""

CONFIG_SUFFIX = "-config"

ATTEMPTS = 4
ATTEMPTS_WITHIN_S = 20
"""A replica that ends so often in so short a time is given up, as the instance then is."""

_ROOM_TO_START_FIRST = 2
_NO_NEW_PRIVILEGES_SINCE = "1.46"


def make_networks(api: docker.APIClient, at: LabAddress) -> None:
    """The configuration of this node's, and the network that tasks join.

    Raises DeployError if the lab's bridge has a network of the engine's already, which may not be given a second one;
    and ENGINE_FAILURES.
    """
    option = "com.docker.network.bridge.name"
    for other in api.networks():
        if (other.get("Options") or {}).get(option) == at.bridge:
            raise DeployError(
                f"{at.prefix} cannot join the lab's bridge: the engine's network {other['Name']} has it already.",
                "Deploy one swarm service in a lab, and the others (a proxy, a broker) as process or vm.",
            )
    ipam = {
        "Driver": "default",
        "Config": [{"Subnet": str(at.network), "Gateway": str(at.gateway), "IPRange": str(address_range(at))}],
    }
    # The network itself may have no label: it is ours because its configuration is.
    labels = {LABEL: at.prefix}
    config = f"{at.prefix}{CONFIG_SUFFIX}"
    options = {option: at.bridge}
    _create_network(api, {"Name": config, "ConfigOnly": True, "IPAM": ipam, "Options": options, "Labels": labels})
    swarm_wide = {"Name": at.prefix, "Driver": "bridge", "Scope": "swarm", "Internal": True}
    _create_network(api, {**swarm_wide, "ConfigFrom": {"Network": config}})


def address_range(at: LabAddress) -> IPv4Network:
    """The one range of exactly the place's addresses. Raises ValueError if they are not an aligned block."""
    ips = sorted([at.ip, *(spare.ip for spare in at.spares)])
    ranges = list(summarize_address_range(ips[0], ips[-1]))
    if len(ranges) != 1 or ranges[0].num_addresses != len(ips):
        raise ValueError(f"not an aligned block of addresses: {ips[0]} to {ips[-1]}")
    return ranges[0]


def create_service(api: docker.APIClient, service: Service, at: LabAddress, node: str) -> None:
    """Raises ENGINE_FAILURES."""
    api.create_service(  # type: ignore[no-untyped-call]  # the library's types leave it out
        _task(api, service, at, node),
        name=at.prefix,
        labels={LABEL: at.prefix},
        mode=ServiceMode("replicated", replicas=service.replicas),
        update_config=UpdateConfig(parallelism=1, delay=0, order=update_order(service.replicas, at)),
        endpoint_spec=EndpointSpec(mode="dnsrr"),
    )


def update_order(replicas: int, at: LabAddress) -> Literal["start-first", "stop-first"]:
    """``start-first`` where there is an address for the new replica while up to two old ones have theirs."""
    return "start-first" if 1 + len(at.spares) >= replicas + _ROOM_TO_START_FIRST else "stop-first"


def is_whole(cpus: float) -> bool:
    """Whole CPUs are limited by pinning alone: a quota on top would only add spurious throttling."""
    return float(cpus).is_integer()


def _task(api: docker.APIClient, service: Service, at: LabAddress, node: str) -> TaskTemplate:
    limits = service.limits
    container = ContainerSpec(
        service.artifact.image,
        command=list(service.argv),
        args=[],
        env=[f"{name}={value}" for name, value in service.env],
        workdir=service.workdir,
        user=f"{service.user.uid}:{service.user.gid}",
        groups=[str(group) for group in service.user.groups],
        labels={LABEL: at.prefix},
        stop_grace_period=int(END_GRACE_S * NS_PER_S),
    )
    if version_gte(api.api_version, _NO_NEW_PRIVILEGES_SINCE):
        container["Privileges"] = {"NoNewPrivileges": True}
    return TaskTemplate(
        container,
        resources=Resources(
            mem_limit=limits.memory_mib * MIB,
            cpu_limit=None if is_whole(limits.cpus) else int(limits.cpus * NS_PER_S),
        ),
        # The engine's default would wait 5 s before it heals.
        restart_policy=RestartPolicy("any", delay=0, max_attempts=ATTEMPTS, window=ATTEMPTS_WITHIN_S * NS_PER_S),
        placement=Placement(constraints=[f"node.id=={node}"]),
        networks=[NetworkAttachmentConfig(at.prefix)],
    )


def _create_network(api: docker.APIClient, order: dict[str, Any]) -> None:
    """The library has no words for configurations of networks."""
    answer = api.post(f"{api.base_url}/v{api.api_version}/networks/create", json=order, timeout=api.timeout)
    try:
        answer.raise_for_status()
    except HTTPError as error:
        create_api_error_from_http_exception(error)
