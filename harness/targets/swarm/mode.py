"""The engine's swarm mode: entered only where the engine is in none, marked as ours, and left only then.

One node, whose manager listens on loopback alone. In a swarm that is somebody else's, only our own services are made.
"""

from __future__ import annotations

import logging
from typing import Any

import docker
from docker.errors import APIError, NotFound

log = logging.getLogger(__name__)

NAME = "tare-swarm"
"""What a sweep calls a swarm that we entered."""

_MARK = "tare"
_HAD_GATEWAY = "tare-had-gateway"
_GATEWAY = "docker_gwbridge"
"""The network that an engine makes when it enters a swarm and keeps when it leaves."""

_ADDRESS = "127.0.0.1"


def state(api: docker.APIClient) -> dict[str, Any]:
    """What the engine says of its swarm: ``LocalNodeState``, ``ControlAvailable``, ``NodeID`` among others."""
    found: dict[str, Any] = api.info().get("Swarm") or {}
    return found


def enter(api: docker.APIClient) -> str:
    """Enter swarm mode unless the engine is in it; the id of this node. Raises ENGINE_FAILURES."""
    if state(api).get("LocalNodeState") == "inactive":
        had_gateway = _GATEWAY in {network["Name"] for network in api.networks(names=[_GATEWAY])}
        labels = {_MARK: "entered", _HAD_GATEWAY: str(had_gateway)}
        spec = api.create_swarm_spec(name="default", labels=labels)
        log.info("the engine enters swarm mode for this run")
        api.init_swarm(advertise_addr=_ADDRESS, listen_addr=f"{_ADDRESS}:2377", swarm_spec=spec)
    return str(state(api)["NodeID"])


def is_ours(api: docker.APIClient) -> bool:
    """Whether the engine is in a swarm that we entered. Raises ENGINE_FAILURES."""
    return _MARK in _labels(api)


def leave(api: docker.APIClient) -> None:
    """Leave a swarm that we entered, with the network that came with it; nothing happens otherwise."""
    labels = _labels(api)
    if _MARK not in labels:
        return
    log.info("the engine leaves the swarm that this run had entered")
    api.leave_swarm(force=True)
    if labels.get(_HAD_GATEWAY) == "False":
        try:
            api.remove_network(_GATEWAY)
        except NotFound:
            return


def _labels(api: docker.APIClient) -> dict[str, str]:
    """The labels of the swarm that this engine manages; none where it manages none."""
    if not state(api).get("ControlAvailable"):
        return {}
    try:
        labels: dict[str, str] = api.inspect_swarm()["Spec"].get("Labels") or {}
    except APIError:
        if state(api).get("ControlAvailable"):
            raise
        return {}
    return labels
