"""A cache before an origin that counts, and a client of it that stands where the lab's client does."""

from __future__ import annotations

import base64
import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.lab.api import LabAddress
from harness.lab.bridged import BridgedLab
from harness.proxies.api import Proxy, Route, Upstream
from harness.proxies.caching import CacheSize
from harness.spec.proxy import CacheSpec, ProxySpec
from harness.spec.service import Limits, Readiness
from harness.targets.api import Instance, Service, Target
from harness.units import MIB
from tests.support import cache_origin, hello
from tests.support.proxies import launched

CLIENT = Path(__file__).with_name("cache_client.py")
ORIGIN = Path(cache_origin.__file__)
SIZE = CacheSize(16 * MIB)
GET = "GET"


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back. ``outcome``: the word for what the cache made of it."""

    status: int
    headers: dict[str, str]
    body: bytes
    outcome: str
    why: str


Requests = Sequence[tuple[str, str, dict[str, str]]]
"""Method, path and headers of each."""


class Client:
    """One process where the lab's client stands, which does one order after the other."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def ask(self, at: str, requests: Requests, connections: int = 1, brief: str = "") -> list[Any]:
        """What ``cache_client.py`` says to that order."""
        order = {"at": at, "requests": requests, "connections": connections, "brief": brief}
        assert self._process.stdin
        assert self._process.stdout
        print(json.dumps(order), file=self._process.stdin, flush=True)
        answers: list[Any] | str = json.loads(self._process.stdout.readline())
        assert isinstance(answers, list), answers
        return answers


@contextmanager
def a_client(lab: BridgedLab) -> Iterator[Client]:
    """A client of that lab, for as long as the context lasts."""
    command = ["nsenter", f"--net=/run/netns/{lab.client_netns}", sys.executable, "-I", "-S", str(CLIENT)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield Client(process)
        finally:
            process.kill()


@dataclass(slots=True)
class OriginAt:
    """The origin, its place, its control port, and who asks it and the caches before it."""

    at: LabAddress
    instance: Instance
    client: Client

    @property
    def upstream(self) -> Upstream:
        return Upstream("origin", str(self.at.ip), cache_origin.PORT)

    def told(self, **changes: float) -> dict[str, Any]:
        """Change how it behaves, and what it counted."""
        query = "&".join(f"{name}={value}" for name, value in changes.items())
        at = f"{self.at.ip}:{cache_origin.CONTROL_PORT}"
        (answer,) = self.client.ask(at, [(GET, f"/set?{query}", {})])
        told: dict[str, Any] = json.loads(base64.b64decode(answer["body"]))
        return told

    def asked(self, path: str) -> int:
        """How often it was asked for that path."""
        return int(self.told()["paths"].get(path, 0))

    @contextmanager
    def changed(self, **changes: float) -> Iterator[None]:
        """Behaving otherwise for as long as the context lasts: ``delay_s``, ``held``, ``sick``, ``open``."""
        self.told(**changes)
        try:
            yield
        finally:
            self.told(delay_s=0, held=0, sick=0, open=1)


@dataclass(slots=True)
class Cached:
    """A cache that has answered, and the origin behind it."""

    proxy: Proxy
    target: Target
    service: Service
    at: LabAddress
    instance: Instance
    origin: OriginAt
    spec: ProxySpec

    def get(self, path: str, **headers: str) -> Answer:
        """One GET over a connection of its own; in a header's name ``_`` is ``-``."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.ask((GET, path, named))[0]

    def ask(self, *requests: tuple[str, str, dict[str, str]], connections: int = 1) -> list[Answer]:
        """The answers to (method, path, headers), over so many connections at once."""
        answers = self.origin.client.ask(self._place, requests, connections)
        return [self._answer(answer) for answer in answers]

    def outcomes(self, paths: Sequence[str], connections: int = 1) -> list[str]:
        """The words for a long sequence of GETs in order; a status other than 200 is a word of its own."""
        assert self.proxy.outcome is not None
        requests: Requests = [(GET, path, {}) for path in paths]
        told = self.origin.client.ask(self._place, requests, connections, self.proxy.outcome.name)
        return [
            self.proxy.outcome.word(header) if status == 200 else f"{status} {header}" for status, header, _ in told
        ]

    @property
    def _place(self) -> str:
        return f"{self.at.ip}:{self.service.port}"

    def _answer(self, told: dict[str, Any]) -> Answer:
        assert self.proxy.outcome is not None
        headers = told["headers"]
        word = self.proxy.outcome.word(headers.get(self.proxy.outcome.name.lower()))
        return Answer(told["status"], headers, base64.b64decode(told["body"]), word, told["why"])


@contextmanager
def an_origin(target: Target, lab: BridgedLab, name: str, scratch: Path) -> Iterator[OriginAt]:
    """The origin on ``target`` (Python is in the hello workload's tree), ready."""
    made = hello.service(hello.build(), "/usr/bin/python3", "-c", ORIGIN.read_text("utf-8"))
    at = lab.address(name)
    with ExitStack() as stack:
        client = stack.enter_context(a_client(lab))
        yield OriginAt(at, launched(target, made, at, lab, scratch / name, stack), client)


@contextmanager
def cached(
    proxy: Proxy,
    target: Target,
    lab: BridgedLab,
    origin: OriginAt,
    scratch: Path,
    *,
    cache: CacheSpec | None = None,
    size: CacheSize = SIZE,
    routes: Sequence[Route] = (),
    at: LabAddress | None = None,
) -> Iterator[Cached]:
    """The cache on ``target``, for as long as the context lasts."""
    spec = ProxySpec(kind=proxy.name, cache=cache, keepalive=32)
    wanted = routes or [Route("/", (origin.upstream,))]
    made = proxy.proxy_service(spec, wanted, None, Readiness(path="/health"), size)
    target.prepare(made.artifact)
    service = Service.of(made.artifact, made.spec, Limits(), hello.CPUS.service)
    place = at or lab.address("proxy")
    scratch.mkdir(exist_ok=True, parents=True)
    with ExitStack() as stack:
        instance = launched(target, service, place, lab, scratch, stack)
        yield Cached(proxy, target, service, place, instance, origin, spec)
