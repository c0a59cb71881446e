"""Removes what a swarm service was made of, in the order in which the engine lets it go."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from http import HTTPStatus
from typing import Any

import docker
from docker.errors import APIError, NotFound

from harness.clock import NS_PER_S, now_ns
from harness.targets.docker.engine import remove_container
from harness.targets.swarm import mode as swarm_mode
from harness.targets.swarm.service import CONFIG_SUFFIX, LABEL

_LIMIT_S = 30
_POLL_S = 0.05
"""Nothing tells when the orchestrator's agent has let go of a network."""


def prefixes(api: docker.APIClient) -> list[str]:
    """The instances' prefixes of everything of ours that the engine has, sorted. Raises ENGINE_FAILURES."""
    filters = {"label": LABEL}
    found = {each["Labels"][LABEL] for each in api.containers(all=True, filters=filters)}
    found |= {each["Labels"][LABEL] for each in api.networks(filters=filters)}
    if swarm_mode.state(api).get("ControlAvailable"):
        found |= {each["Spec"]["Labels"][LABEL] for each in _services(api)}
    return sorted(found)


def _services(api: docker.APIClient) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = api.services(filters={"label": LABEL})  # type: ignore[no-untyped-call]  # the library's types leave it out
    return found


def remove_all(api: docker.APIClient, prefix: str) -> None:
    """Everything of the instance of that prefix. Idempotent. Raises ENGINE_FAILURES."""
    remove_service(api, prefix)
    remove_networks(api, prefix)


def remove_service(api: docker.APIClient, prefix: str) -> None:
    """The service with its containers, which are killed and not asked. Idempotent. Raises ENGINE_FAILURES."""
    with _gone_is_fine():
        api.remove_service(prefix)  # type: ignore[no-untyped-call]  # the library's types leave it out
    for late in _until_limit():
        containers = containers_of(api, prefix)
        if not containers:
            return
        for container in containers:
            if late:
                remove_container(api, container["Id"])
            elif container["State"] == "running":
                with contextlib.suppress(APIError):  # it may end meanwhile, as all of them do now
                    api.kill(container["Id"])


def remove_networks(api: docker.APIClient, prefix: str) -> None:
    """The service's network, then the configuration that it is made from. Idempotent. Raises ENGINE_FAILURES."""
    for name in (prefix, f"{prefix}{CONFIG_SUFFIX}"):
        _retry(lambda name=name: api.remove_network(name))  # type: ignore[misc]  # a default binds the name


def containers_of(api: docker.APIClient, prefix: str) -> list[dict[str, Any]]:
    """The containers of every replica that the engine remembers, oldest first. Raises ENGINE_FAILURES."""
    found: list[dict[str, Any]] = api.containers(all=True, filters={"label": f"{LABEL}={prefix}"})
    return sorted(found, key=lambda container: int(container["Created"]))


def _retry(remove: Callable[[], None]) -> None:
    for late in _until_limit():
        try:
            with _gone_is_fine():
                remove()
        except APIError as error:
            if late or error.status_code not in (HTTPStatus.FORBIDDEN, HTTPStatus.BAD_REQUEST, HTTPStatus.CONFLICT):
                raise
        else:
            return


def _until_limit() -> Iterator[bool]:
    """Tries at short intervals, each told whether it is the last."""
    deadline_ns = now_ns() + _LIMIT_S * NS_PER_S
    while now_ns() < deadline_ns:
        yield False
        time.sleep(_POLL_S)
    yield True


@contextlib.contextmanager
def _gone_is_fine() -> Iterator[None]:
    """The thing is gone, or the swarm with everything in it."""
    try:
        yield
    except NotFound:
        return
    except APIError as error:
        if error.status_code != HTTPStatus.SERVICE_UNAVAILABLE:
            raise
