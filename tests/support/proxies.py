"""A proxy before instances of the hello workload, and a client of it that stands where the lab's client does.

The client is written with the standard library alone, so that nothing of it is the harness's.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from harness.artifacts.api import Artifact
from harness.lab.api import LabAddress
from harness.lab.bridged import BridgedLab
from harness.probes.startup import Prober
from harness.proxies.api import Certificate, Proxy, Route, Upstream
from harness.runtime.confinement import Confinement
from harness.spec.proxy import ProxySpec
from harness.spec.service import Limits, Readiness
from harness.targets.api import Instance, Service, Target
from tests.support import hello
from tests.support.launch import launch
from tests.support.until import until

CLIENT = Path(__file__).with_name("proxy_client.py")
LIMIT_S = 240
ANSWERS_FORWARDED_ALONE = 400
"""What a forward proxy says to a request that does not name its destination."""


CORE = frozenset({("container", "nginx"), ("container", "varnish")})
"""The targets and proxies whose contract ``make test`` looks at: one that passes on, and one that keeps."""


def each(pairs: list[tuple[str, str]], core: frozenset[tuple[str, str]] = CORE) -> pytest.MarkDecorator:
    """Run a test with a proxy on a target, for each of the pairs; those that are in ``core`` are in ``make test``."""
    marks = {pair: pytest.mark.core if pair in core else () for pair in pairs}
    named = [pytest.param(pair, id=f"{pair[0]}-{pair[1]}", marks=marks[pair]) for pair in pairs]
    return pytest.mark.parametrize("running", named, indirect=True)


@dataclass(slots=True)
class Backend:
    """A place behind the proxy, and the instance of a service that has it now: a test may put another there."""

    upstream: Upstream
    at: LabAddress
    service: Service
    instance: Instance

    def stop(self) -> None:
        self.instance.stop()


@dataclass(slots=True)
class Proxied:
    """A proxy that has answered, and what is behind it."""

    proxy: Proxy
    target: Target
    lab: BridgedLab
    service: Service
    at: LabAddress
    instance: Instance
    files: dict[str, str]
    backends: list[Backend] = field(default_factory=list)
    ca: Path | None = None

    def ask(
        self,
        *requests: tuple[str, str, str],
        connection: str = "keep",
        at: str | None = None,
        target: str | None = None,
    ) -> list[list[Any]]:
        """[status, body's digest, seconds] of each (method, path, body), through the proxy unless ``at`` is given.

        ``connection``: ``keep`` one, or ``new`` for each request. ``target``: what a forward proxy is asked for, if not
        the first upstream. A request that got no answer has status 0 and the reason instead of a digest.
        """
        return self._told({"requests": requests, "connection": connection}, at, target)

    def spread(self, path: str, count: int, connections: int = 4) -> list[list[Any]]:
        """``count`` GETs of one path over a few connections at once."""
        return self._told({"path": path, "count": count, "connections": connections}, None, None)

    def _told(self, wanted: dict[str, Any], at: str | None, target: str | None) -> list[list[Any]]:
        if self.proxy.forward and at is None and target is None:
            target = self.backends[0].upstream.address
        order = {
            "at": at or f"{self.at.ip}:{self.service.port}",
            "target": target,
            "ca": str(self.ca) if self.ca else None,
            **wanted,
        }
        command = [sys.executable, "-I", "-S", str(CLIENT)]
        done = subprocess.run(
            ["nsenter", f"--net=/run/netns/{self.lab.client_netns}", *command],
            input=json.dumps(order),
            capture_output=True,
            text=True,
            check=True,
            timeout=LIMIT_S,
        )
        answers: list[list[Any]] = json.loads(done.stdout)
        return answers

    def served(self) -> dict[str, int]:
        """What the proxy's log says by now, by the upstreams' names."""
        names = {backend.upstream.address: backend.upstream.name for backend in self.backends}
        return {names[address]: count for address, count in self.proxy.served(self.instance.logs()).items()}


def backend(target: Target, artifact: Artifact, lab: BridgedLab, name: str, scratch: Path, stack: ExitStack) -> Backend:
    """An instance of hello that has answered."""
    service = hello.service(artifact)
    at = lab.address(name)
    instance = launched(target, service, at, lab, scratch / name, stack)
    made = Backend(Upstream(name, str(at.ip), service.port), at, service, instance)
    stack.callback(made.stop)
    return made


def launched(
    target: Target, service: Service, at: LabAddress, lab: BridgedLab, scratch: Path, stack: ExitStack
) -> Instance:
    """An instance that has given its first correct response."""
    scratch.mkdir(exist_ok=True)
    cpus = hello.CPUS.generator
    with Prober(str(at.ip), service.port, service.ready, Confinement(lab.client_netns, cpus)) as prober:
        prober.go()
        instance = stack.enter_context(launch(target, service, at, scratch))
        prober.result(alive=instance.alive)
    return instance


@contextmanager
def proxied(
    proxy: Proxy,
    target: Target,
    lab: BridgedLab,
    backends: Sequence[Backend],
    scratch: Path,
    *,
    routes: Sequence[Route] = (),
    spec: ProxySpec | None = None,
    at: LabAddress | None = None,
    certificate: Certificate | None = None,
) -> Iterator[Proxied]:
    """The proxy on ``target``, for as long as the context lasts. Without ``routes`` all backends are below ``/``."""
    spec = spec or ProxySpec(kind=proxy.name, tls=certificate is not None)
    wanted = routes or [Route("/", tuple(backend.upstream for backend in backends))]
    ready = Readiness(path="/health", status=ANSWERS_FORWARDED_ALONE if proxy.forward else 200)
    made = proxy.proxy_service(spec, wanted, certificate, ready)
    target.prepare(made.artifact)
    service = Service.of(made.artifact, made.spec, Limits(), hello.CPUS.service)
    place = at or lab.address("proxy")
    scratch.mkdir(exist_ok=True)
    with ExitStack() as stack:
        if certificate is None:
            instance = launched(target, service, place, lab, scratch, stack)
        else:
            instance = stack.enter_context(launch(target, service, place, scratch))
        found = Proxied(proxy, target, lab, service, place, instance, made.files, list(backends))
        if certificate is not None:
            found.ca = scratch / "ca.pem"
            found.ca.write_text(certificate.ca_pem, "utf-8")
            until_it_answers(found)
        yield found


def until_it_answers(found: Proxied) -> None:
    """Wait until the proxy gives an answer over TLS."""

    def answers() -> bool:
        ((status, _, _),) = found.ask(("GET", "/health", ""))
        assert status == 200 or found.instance.alive(), found.instance.logs()
        return bool(status == 200)

    until(answers, told=lambda: found.instance.logs()[-2000:])
