"""What the targets that stand on Docker's engine share: its client, our label, and its refusals in our own words."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial

import docker
from docker.errors import APIError, DockerException, NotFound
from docker.utils import kwargs_from_env
from requests.exceptions import RequestException

from harness.errors import DeployError
from harness.targets.api import Leftover

LABEL = "tare"
"""The label of everything that we ask the engine for; its value is the instance's prefix."""

ENGINE_FAILURES = (DockerException, RequestException)
"""What the engine's client raises when the engine refuses or does not answer."""


def client() -> docker.APIClient:
    """A client of the engine that the environment names. Raises ENGINE_FAILURES."""
    return docker.APIClient(**kwargs_from_env(), version="auto", timeout=60)


def remove_container(api: docker.APIClient, name: str) -> None:
    """Kill and remove it. Nothing happens if there is none."""
    try:
        api.remove_container(name, v=True, force=True)
    except NotFound:
        return


def remove_network(api: docker.APIClient, name: str) -> None:
    """Nothing happens if there is none."""
    try:
        api.remove_network(name)
    except NotFound:
        return


def leftover(kind: str, name: str, remove: Callable[[docker.APIClient, str], None]) -> Leftover:
    """Something in the engine that outlived its run."""
    return Leftover(kind, name, partial(_remove_in_own_client, remove, name))


def _remove_in_own_client(remove: Callable[[docker.APIClient, str], None], name: str) -> None:
    try:
        with client() as api:
            remove(api, name)
    except ENGINE_FAILURES as error:
        raise refused(f"{name} could not be removed", error) from error


@contextmanager
def removal_told(what: str) -> Iterator[None]:
    """Inside it a failure of the engine's is a DeployError: ``what`` could not be removed.

    For what outlives its engine, and is ended without it where that does not answer.
    """
    try:
        yield
    except APIError as error:
        raise refused(f"{what[:1].upper()}{what[1:]} could not be removed", error) from error
    except ENGINE_FAILURES as error:
        raise DeployError(
            f"The engine does not answer: the processes of {what} were ended without it, and it does not know that "
            "yet.",
            "Start the engine (tare provision), then: tare sweep",
        ) from error


def refused(what: str, error: Exception) -> DeployError:
    """What the engine said, or that it said nothing."""
    if isinstance(error, APIError):
        return DeployError(f"{what}: {str(error.explanation or error).strip()}.", "Look at what the engine says above.")
    return DeployError(f"{what}: {str(error).strip()}.", "Start the engine: tare provision")
