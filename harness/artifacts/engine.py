"""The container engine, as far as artifacts need it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import docker
import docker.errors
import requests

from harness.errors import BuildError, Unavailable

_TIMEOUT_S = 600
"""For one answer of the engine: importing a large image gives none until it is done."""


@contextmanager
def engine(doing: str) -> Iterator[docker.DockerClient]:
    """A client of the local engine. What it or its connection raises becomes Unavailable or BuildError."""
    try:
        client = docker.from_env(timeout=_TIMEOUT_S)
    except docker.errors.DockerException as error:
        raise Unavailable(f"Docker does not answer: {error}".splitlines()[0], "run: tare provision") from error
    try:
        yield client
    except docker.errors.DockerException as error:
        raise BuildError(
            f"Docker failed while {doing}: {error}".splitlines()[0], "read the engine's log, and try again"
        ) from error
    except (requests.RequestException, OSError) as error:
        raise BuildError(
            f"the connection to Docker broke while {doing}: {error}".splitlines()[0],
            "see that the engine is running (tare doctor), and try again",
        ) from error
    finally:
        client.close()
