"""A target without root and without an engine: the service is a thread of this process, on loopback, within ms."""

from __future__ import annotations

import os
import platform
import shutil
import socket
import threading
from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from socketserver import TCPServer

from harness.artifacts.api import Artifact
from harness.clock import Stopwatch
from harness.errors import DeployError
from harness.host.cgroups.detect import CgroupReader
from harness.host.facts import HostFacts
from harness.lab.api import LabAddress
from harness.targets.api import (
    Availability,
    Footprint,
    InsideView,
    Instance,
    InstanceProcess,
    Leftover,
    Service,
    Staged,
    Target,
)

Answer = Callable[[str, str, bytes], tuple[int, bytes]]
"""Method, path and body of a request to the status and body of its response."""

INSIDE = InsideView(
    kernel_release=platform.release(),
    boot_id=Path("/proc/sys/kernel/random/boot_id").read_text().strip(),
    uptime_s=1000.0,
    visible_processes=100,
    sees_host_processes=True,
    devices=10,
    hypervisor_bit=False,
    virtualisation="none",
)


def healthy(_method: str, _path: str, _body: bytes) -> tuple[int, bytes]:
    """What the hello service says of its health, to every request."""
    return 200, b'{"status":"ok"}'


class FakeTarget(Target):
    """Answers as it is told to. Every service starts whose program exists on this host; none is really run."""

    name = "fake"
    family = "process"
    summary = "a thread of the tests"
    takes_embedded = True

    def __init__(self, answer: Answer = healthy) -> None:
        self._answer = answer

    def available(self, _host: HostFacts) -> Availability:
        return Availability(True)

    def prepare(self, artifact: Artifact) -> None:
        """There is no packaging."""

    def footprint(self, _artifact: Artifact) -> Footprint:
        return Footprint({"directory": 1_000_000})

    def _stage(self, service: Service, at: LabAddress, _scratch: Path, undo: ExitStack) -> Staged:
        return StagedFake(service, at, self._make, undo)

    def _make(self, service: Service, at: LabAddress) -> FakeInstance:
        """The instance, at once."""
        if shutil.which(service.argv[0]) is None:
            error = DeployError("The fake service could not be started.", "Name a program of this host.")
            error.add_note(f"there is no program {service.argv[0]!r}")
            raise error
        return FakeInstance(service, at, self._answer)

    def leftovers(self, _prefix: str) -> Sequence[Leftover]:
        return ()


class StagedFake(Staged):
    """Nothing is there yet."""

    def __init__(
        self, service: Service, at: LabAddress, make: Callable[[Service, LabAddress], FakeInstance], undo: ExitStack
    ) -> None:
        super().__init__(at, undo)
        self._service = service
        self._make = make

    def _start(self, clock: Stopwatch) -> Instance:
        # It may answer before another word of this thread.
        clock.stamp("started")
        return self._make(self._service, self.address)


class FakeInstance(Instance):
    """A small HTTP server at ``at.ip`` and the service's port."""

    limits_enforced = False

    def __init__(self, service: Service, at: LabAddress, answer: Answer) -> None:
        self.address = at
        self._digest = service.artifact.digest
        self._lines = [f"fake service running on http://{at.ip}:{service.port}"]
        self._answer = answer
        self._place = (str(at.ip), service.port)
        self._down = False
        self.take_over(ExitStack())
        self._serve()

    def processes(self) -> Sequence[InstanceProcess]:
        return () if self._down else (InstanceProcess(os.getpid(), "app", "fake"),)

    @property
    def cgroup(self) -> CgroupReader | None:
        return None

    def alive(self) -> bool:
        return not self._down

    def logs(self) -> str:
        return "\n".join(self._lines)

    def content_digest(self) -> str:
        return self._digest

    def inside(self) -> InsideView:
        return INSIDE

    def _kill(self) -> None:
        if self._down:
            return
        self._down = True
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def _terminate(self, grace_s: float) -> None:  # noqa: ARG002 - it takes no time
        self.kill()

    def _restart(self, clock: Stopwatch) -> None:
        clock.stamp("started")
        self._serve()

    def _stop(self) -> None:
        self._stopped = True
        self.kill()
        self._undo.close()

    def _serve(self) -> None:
        self._server = _Server(self._place, _handler(self._answer, self._lines))
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.002,), daemon=True)
        self._thread.start()
        self._down = False


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, place: tuple[str, int], handler: type[BaseHTTPRequestHandler]) -> None:
        # Before the base's own, which closes the server again if the port is taken.
        self._connections: set[socket.socket] = set()
        super().__init__(place, handler)

    def server_bind(self) -> None:
        """Without the base's look-up of a name for the address, for which a resolver would be asked."""
        TCPServer.server_bind(self)

    def get_request(self) -> tuple[socket.socket, tuple[str, int]]:
        connection, client = super().get_request()
        self._connections.add(connection)
        return connection, client

    def shutdown_request(self, request: socket.socket | tuple[bytes, socket.socket]) -> None:
        assert isinstance(request, socket.socket)
        self._connections.discard(request)
        super().shutdown_request(request)

    def server_close(self) -> None:
        """The connections end too, as those of a process do."""
        super().server_close()
        for connection in tuple(self._connections):
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that goes away in the middle is no failure of the tests."""


def _handler(answer: Answer, lines: list[str]) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def reply(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            status, content = answer(self.command, self.path, body)
            self.send_response(status)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_POST = do_PUT = reply  # noqa: N815 - the library's names

        def log_message(self, format: str, *args: object) -> None:
            lines.append(format % args)

    return Handler
