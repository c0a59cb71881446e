"""The contract of proxies (harness.proxies.api), one suite for all of the registry, each on several targets.

Behind a proxy are instances of the hello workload as bare processes. Each proxy is launched once on each target, looked
at from all sides, and loses one of its upstreams last; what needs another configuration is launched anew.
"""

from __future__ import annotations

import re
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import partial
from itertools import count
from pathlib import Path

import pytest

from harness.lab.bridged import BridgedLab
from harness.probes.exchanges import ask
from harness.proxies import certificates
from harness.proxies.api import Route
from harness.proxies.registry import PROXIES, make
from harness.spec.proxy import ProxySpec
from harness.spec.route import Route as LoadRoute
from harness.targets import registry
from harness.targets.api import Target
from tests.support import hello
from tests.support.deploy import bridged_lab
from tests.support.proxies import Backend, Proxied, backend, each, launched, proxied
from tests.support.until import until

pytestmark = pytest.mark.timeout(1500)

PLAIN = [name for name, proxy in PROXIES.items() if not proxy.policies]
"""Those that cache have a suite of their own, test_caches."""

ON = [(target, proxy) for target in ("process", "container") for proxy in PLAIN]
REVERSE = [(target, proxy) for target, proxy in ON if not PROXIES[proxy].forward]
FORWARD = [(target, proxy) for target, proxy in ON if PROXIES[proxy].forward]
IN_A_VM = [("vm", "nginx")]
REPLICAS = 3
REQUESTS = 3000
EXCHANGES = [(each.method, each.path, each.body) for each in hello.WORKLOAD.exchanges]
EXPECTED = [list(hello.expected(*exchange)) for exchange in EXCHANGES]
LARGE = "What weighs the empty box? " * 30_000
PAUSE_S = 2
"""For how long an upstream that failed is left alone here."""


@pytest.fixture(scope="module")
def lab() -> Iterator[BridgedLab]:
    with bridged_lab("proxies") as made:
        yield made


@pytest.fixture(scope="module")
def backends(lab: BridgedLab, process: Target, tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Backend]]:
    with ExitStack() as stack:
        scratch = tmp_path_factory.mktemp("backends")
        yield [backend(process, hello.build(), lab, f"svc{number}", scratch, stack) for number in range(REPLICAS)]


@pytest.fixture(scope="module")
def running(
    request: pytest.FixtureRequest,
    lab: BridgedLab,
    backends: list[Backend],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Proxied]:
    target_name, proxy_name = request.param
    proxy, target = make(proxy_name), registry.make(target_name)
    behind = backends[:1] if proxy.forward else backends
    spec = ProxySpec(kind=proxy_name, fail_timeout_s=PAUSE_S)
    scratch = tmp_path_factory.mktemp("proxy")
    with proxied(proxy, target, lab, behind, scratch, spec=spec) as found:
        yield found


@pytest.fixture
def another(running: Proxied, lab: BridgedLab, tmp_path: Path) -> Iterator[Another]:
    """Launches the same proxy on the same target with another configuration."""
    with ExitStack() as stack:
        yield Another(running, lab, tmp_path, stack)


class Another:
    """See the fixture."""

    def __init__(self, running: Proxied, lab: BridgedLab, scratch: Path, stack: ExitStack) -> None:
        self._running = running
        self._lab = lab
        self._scratch = scratch
        self._stack = stack
        self._numbers = count()

    def __call__(
        self,
        backends: list[Backend],
        *,
        routes: tuple[Route, ...] = (),
        spec: ProxySpec | None = None,
        tls: bool = False,
    ) -> Proxied:
        running, number = self._running, next(self._numbers)
        at = self._lab.address(f"proxy{number}")
        made = proxied(
            running.proxy,
            running.target,
            self._lab,
            backends,
            self._scratch / str(number),
            routes=routes,
            spec=spec,
            at=at,
            certificate=certificates.make(str(at.ip), days=1) if tls else None,
        )
        return self._stack.enter_context(made)


@each(ON + IN_A_VM)
def test_it_answers_like_the_service_itself_byte_for_byte(running: Proxied) -> None:
    through = [answer[:2] for answer in running.ask(*EXCHANGES)]
    assert through == EXPECTED
    upstream = running.backends[0].upstream
    direct = ask(EXCHANGES, (LoadRoute("/", upstream.host, upstream.port),), running.lab.client_netns)
    assert through == [list(answer) for answer in direct.values()]


@each(ON + IN_A_VM)
def test_it_passes_a_large_body_on(running: Proxied) -> None:
    request = ("POST", "/echo", LARGE)
    assert running.ask(request)[0][:2] == list(hello.expected(*request))


@each(ON + IN_A_VM)
def test_its_tree_is_the_artifacts(running: Proxied) -> None:
    assert running.instance.content_digest() == running.service.artifact.digest


@each(ON)
def test_none_of_its_processes_is_root(running: Proxied) -> None:
    own = [process.pid for process in running.instance.processes() if process.role == "app"]
    assert own
    for pid in own:
        users = re.search(r"^Uid:\s+(.*)$", Path(f"/proc/{pid}/status").read_text(), re.MULTILINE)
        assert users
        assert set(users[1].split()) == {str(running.service.user.uid)}
        assert running.service.user.uid != 0


@each(ON + IN_A_VM)
def test_its_log_says_who_served_every_request(running: Proxied) -> None:
    before = running.served()
    asked = running.ask(*[("GET", "/health", "")] * 30, connection="new")
    assert [answer[0] for answer in asked] == [200] * 30
    wait_for(partial(served_in_all, running, sum(before.values()) + 30), running)


@each(REVERSE + IN_A_VM)
def test_three_replicas_serve_a_third_of_the_requests_each(running: Proxied) -> None:
    before = running.served()
    answers = running.spread("/health", REQUESTS)
    assert [answer[0] for answer in answers] == [200] * REQUESTS
    wait_for(partial(served_in_all, running, sum(before.values()) + REQUESTS), running)
    shares = {name: (served - before.get(name, 0)) / REQUESTS for name, served in running.served().items()}
    assert len(shares) == REPLICAS
    assert all(0.303 <= share <= 0.363 for share in shares.values()), shares


@each(REVERSE)
def test_least_connections_spreads_over_all_too(running: Proxied, another: Another) -> None:
    found = another(running.backends, spec=ProxySpec(kind=running.proxy.name, balance="least-connections"))
    assert {answer[0] for answer in found.spread("/items/1", 300)} == {200}
    wait_for(lambda: sum(found.served().values()) >= 300, found)
    assert len(found.served()) == REPLICAS
    assert min(found.served().values()) > 30


@each(REVERSE)
def test_the_longest_prefix_decides_who_serves(running: Proxied, another: Another) -> None:
    first, second, third = running.backends
    routes = (
        Route("/", (first.upstream,)),
        Route("/items", (second.upstream,)),
        Route("/items/1", (third.upstream,)),
    )
    paths = {
        first.upstream.name: ["/health", "/itemsx", "/item"],
        second.upstream.name: ["/items", "/items/", "/items/2", "/items?a=/items/1", "/items/10"],
        third.upstream.name: ["/items/1", "/items/1/", "/items/1?a", "/items/1/x"],
    }
    found = another(running.backends, routes=routes)
    ready = found.served()
    assert set(ready) <= {first.upstream.name}
    for whose, asked in paths.items():
        before = found.served()
        found.ask(*[("GET", path, "") for path in asked])
        total = sum(before.values()) + len(asked)
        wait_for(partial(served_in_all, found, total), found)
        gained = {name: n - before.get(name, 0) for name, n in found.served().items() if n != before.get(name, 0)}
        assert gained == {whose: len(asked)}


@each(REVERSE)
def test_without_a_route_to_it_a_path_is_not_found(running: Proxied, another: Another) -> None:
    upstream = running.backends[0].upstream
    found = another(running.backends, routes=(Route("/health", (upstream,)), Route("/it'em(s)", (upstream,))))
    answers = found.ask(("GET", "/health", ""), ("GET", "/items/1", ""), ("GET", "/it'em(s)", ""), ("GET", "/", ""))
    assert [answer[0] for answer in answers] == [200, 404, 404, 404]
    wait_for(lambda: sum(found.served().values()) >= 2, found)


@each(REVERSE)
def test_it_works_without_connections_kept_to_its_upstreams(running: Proxied, another: Another) -> None:
    found = another(running.backends, spec=ProxySpec(kind=running.proxy.name, keepalive=0, max_fails=0))
    assert [answer[:2] for answer in found.ask(*EXCHANGES)] == EXPECTED


@each(REVERSE)
def test_clients_that_trust_its_authority_reach_it_by_tls_and_others_do_not(running: Proxied, another: Another) -> None:
    found = another(running.backends, tls=True)
    assert [answer[:2] for answer in found.ask(*EXCHANGES)] == EXPECTED
    assert [answer[0] for answer in found.spread("/health", 100)] == [200] * 100
    assert found.ca is not None
    stranger = certificates.make(str(found.at.ip), days=1)
    found.ca.write_text(stranger.ca_pem, "utf-8")
    ((status, reason, _),) = found.ask(("GET", "/health", ""))
    assert status == 0
    assert "CERTIFICATE_VERIFY_FAILED" in reason
    assert "PRIVATE KEY" not in "".join(found.files.values())


@each(REVERSE)
def test_when_an_upstream_dies_requests_go_on_and_its_return_is_noticed(
    running: Proxied, backends: list[Backend], process: Target, lab: BridgedLab, tmp_path: Path
) -> None:
    """A dead host answers nothing, so a request that waits for it takes the second until its connection is given up."""
    victim = backends[1]
    answers: list[list[object]] = []
    load = threading.Thread(target=lambda: answers.extend(running.spread("/items/1", REQUESTS)))
    load.start()
    before = running.served()
    wait_for(lambda: sum(running.served().values()) > sum(before.values()) + REQUESTS // 10, running)
    victim.instance.stop()
    load.join()
    assert len(answers) == REQUESTS
    assert sum(answer[0] != 200 for answer in answers) <= 8, [answer for answer in answers if answer[0] != 200]
    with ExitStack() as undo:
        victim.instance = launched(process, victim.service, victim.at, lab, tmp_path / "again", undo)
        undo.pop_all()  # its place's fixture ends it
    gone = running.served()[victim.upstream.name]

    def noticed() -> bool:
        assert {answer[0] for answer in running.spread("/items/1", 60)} == {200}
        return running.served()[victim.upstream.name] >= gone + 10

    until(noticed, told=lambda: running.instance.logs()[-2000:])


@each(FORWARD)
def test_a_forward_proxy_refuses_what_is_not_on_its_list(
    running: Proxied, backends: list[Backend], another: Another
) -> None:
    forbidden = backends[1].upstream
    assert running.ask(("GET", "/health", ""))[0][0] == 200
    assert running.ask(("GET", "/health", ""), target=forbidden.address)[0][0] == 403
    assert running.ask(("GET", "/health", ""), target="no-such-host.example:80")[0][0] == 403
    assert running.ask(("GET", "/health", ""), target=f"{running.backends[0].upstream.host}:22")[0][0] == 403
    tunnel = f"CONNECT {running.backends[0].upstream.address} HTTP/1.1\r\nHost: x\r\n\r\n"
    assert said(running, tunnel).startswith("HTTP/1.1 403 ")
    found = another(running.backends, spec=ProxySpec(kind=running.proxy.name, allow=(forbidden.host,)))
    assert found.ask(("GET", "/health", ""), target=forbidden.address)[0][0] == 200
    assert found.ask(("GET", "/health", ""))[0][0] == 403


@each(FORWARD)
def test_through_it_a_client_reaches_what_it_cannot_reach_by_itself(
    running: Proxied, lab: BridgedLab, process: Target, another: Another, tmp_path: Path
) -> None:
    with ExitStack() as stack:
        hidden = backend(process, hello.build(), lab, "hidden", tmp_path, stack)
        found = another([hidden])
        request = ("GET", "/items/1", "")
        assert found.ask(request, at=hidden.upstream.address)[0][0] == 200
        lab.close_to_client(hidden.at.ip)
        lab.close_to_client(hidden.at.ip)
        ((status, reason, _),) = found.ask(request, at=hidden.upstream.address)
        assert status == 0
        assert "No route to host" in reason
        assert found.ask(request)[0][:2] == list(hello.expected(*request))
    assert running.ask(("GET", "/health", ""))[0][0] == 200


def said(running: Proxied, request: str) -> str:
    """What the proxy answers to that text, from the client's namespace."""
    program = (
        "import socket, sys\n"
        "connection = socket.create_connection((sys.argv[1], int(sys.argv[2])), 10)\n"
        "connection.sendall(sys.argv[3].encode())\n"
        "print(connection.recv(65536).decode('latin-1'))\n"
    )
    inside = ("nsenter", f"--net=/run/netns/{running.lab.client_netns}", sys.executable, "-I", "-S", "-c", program)
    place = (str(running.at.ip), str(running.service.port))
    return subprocess.run([*inside, *place, request], capture_output=True, text=True, check=True, timeout=30).stdout


def served_in_all(running: Proxied, count: int) -> bool:
    """Whether the proxy's log says so many requests by now."""
    return sum(running.served().values()) == count


def wait_for(true: Callable[[], bool], running: Proxied) -> None:
    """A proxy's log reaches its target a moment after the answer reaches the client."""
    until(true, told=lambda: running.instance.logs()[-2000:])
