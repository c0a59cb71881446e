"""The prober's own process: asks again and again until the first correct response, then asks the next thing.

It and what it imports use the standard library alone, so that it is up in some 30 ms. Its first line on standard input
is the order (JSON, see harness.probes.child); ``go`` begins; the input's end means that the parent is gone. It prints
``ready``, and one line of JSON at the end. How it asks is written in harness.probes.startup.
"""

from __future__ import annotations

import errno
import itertools
import json
import os
import select
import socket
import sys
import time
from collections.abc import Callable
from pathlib import Path

from harness.probes.line import Line
from harness.probes.question import Question
from harness.probes.wire import split_response

SYN_LIFE_NS = 20_000_000
"""A SYN that is lost is sent again by the kernel only after 1 s: it is given up long before."""

MAX_PENDING = 24
PATIENCE_NS = 1_000_000_000
"""How long an accepted request keeps further attempts back. It may still answer after that, beside newer ones."""

MAX_WAITING = 16
ALONE_PATIENCE_NS = 5_000_000_000
"""The same for a request that must not be under way twice. It is given up after that, and asked again."""

RECENT_NS = 50_000_000
_HISTORY = 64
_NOTHING_THERE = (errno.EHOSTUNREACH, errno.ENETUNREACH, errno.ENETDOWN, errno.EHOSTDOWN, errno.ETIMEDOUT)


class Attempt:
    """One connection: connecting until ``asked_ns`` is set, then waiting for its response (TLS comes before it)."""

    __slots__ = ("asked_ns", "begun_ns", "data", "line", "sock")

    def __init__(self, sock: socket.socket, begun_ns: int) -> None:
        self.sock = sock
        self.line: Line | None = None
        self.begun_ns = begun_ns
        self.asked_ns = 0
        self.data = b""


class Prober:
    """Runs until the first correct response. ``opened`` makes the line of a new socket."""

    def __init__(self, question: Question, opened: Callable[[socket.socket], Line]) -> None:
        self._question = question
        self._opened = opened
        self._patience_ns = ALONE_PATIENCE_NS if question.alone else PATIENCE_NS
        self._give_up_ns = ALONE_PATIENCE_NS if question.alone else MAX_WAITING * PATIENCE_NS
        self._epoll = select.epoll()
        self._attempts: dict[int, Attempt] = {}
        self._starts: list[int] = []
        self._count = 0
        self._not_before_ns = 0
        self._history: list[list[object]] = []
        self._last = ""
        self.listening_ns: int | None = None
        self.first_response_ns: int | None = None
        self.resolution_ns = 0

    def run(self) -> None:
        """Return at the first correct response, or when standard input ends."""
        with self._epoll:
            self._ask()

    def _ask(self) -> None:
        self._epoll.register(0, select.EPOLLIN)
        while self.first_response_ns is None:
            now = time.monotonic_ns()
            self._expire(now)
            due = self._begin_if_due(now)
            # epoll's own timeout is in whole milliseconds; select's on epoll's descriptor is exact.
            select.select([self._epoll], [], [], max(0, due - time.monotonic_ns()) / 1e9)
            for fd, _ in self._epoll.poll(0):
                if fd == 0:
                    if not os.read(0, 4096):
                        return
                elif fd in self._attempts:
                    self._advance(self._attempts[fd])
                if self.first_response_ns is not None:
                    break

    def report(self) -> dict[str, object]:
        return {
            "name": self._question.name,
            "listening_ns": self.listening_ns,
            "first_response_ns": self.first_response_ns,
            "attempts": self._count,
            "resolution_ns": self.resolution_ns,
            "history": self._history,
            "last": self._last,
        }

    def _begin_if_due(self, now: int) -> int:
        """Begin an attempt if its time has come; returns when to look again."""
        waiting = [attempt for attempt in self._attempts.values() if attempt.asked_ns]
        held_until = max((attempt.asked_ns + self._patience_ns for attempt in waiting), default=0)
        if held_until > now:
            return held_until
        if now >= self._not_before_ns and len(self._attempts) < MAX_PENDING and len(waiting) < MAX_WAITING:
            self._begin(now)
        # Where every place is taken, the oldest SYN's end frees one.
        return self._not_before_ns if self._not_before_ns > now else now + self._question.period_ns

    def _begin(self, now: int) -> None:
        sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        sock.setblocking(False)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        # A given-up connection is reset: 1,000 of them a second in TIME_WAIT would use up the local ports.
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        self._count += 1
        period_ns = self._question.period_ns
        # On the grid of periods while it can be kept, so that a late wake-up does not add up.
        self._not_before_ns = max(self._not_before_ns + period_ns, now + period_ns // 2)
        self._starts.append(now)
        if len(self._starts) > 256:
            del self._starts[:128]
        attempt = Attempt(sock, now)
        error = sock.connect_ex(self._question.address)
        self._attempts[sock.fileno()] = attempt
        self._epoll.register(sock.fileno(), select.EPOLLIN | select.EPOLLOUT)
        if error not in (0, errno.EINPROGRESS):
            self._connect_failed(attempt, error)

    def _connect_failed(self, attempt: Attempt, error: int) -> None:
        if error == errno.ECONNREFUSED:
            self._note("refused")
        elif error in _NOTHING_THERE:
            self._note("no answer")
        else:
            self._note(os.strerror(error))
        self._close(attempt)

    def _advance(self, attempt: Attempt) -> None:
        line = attempt.line
        if line is None:
            error = attempt.sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
            now = time.monotonic_ns()
            if error:
                self._connect_failed(attempt, error)
                return
            if self.listening_ns is None:
                self.listening_ns = now
            if any(other.asked_ns + self._patience_ns > now for other in self._attempts.values() if other.asked_ns):
                # Several SYNs can have waited for the address to appear: one request is enough.
                self._close(attempt)
                return
            attempt.asked_ns = now
            line = attempt.line = self._opened(attempt.sock)
            line.say(self._question.request)
        try:
            heard = line.hear()
        except OSError as problem:
            self._wrong(attempt, f"connected, then {problem.strerror or problem}")
            return
        done_ns = time.monotonic_ns()
        unsaid = select.EPOLLOUT if line.unsaid else 0
        self._epoll.modify(attempt.sock.fileno(), select.EPOLLIN | unsaid)
        if heard is None:
            return
        chunk, ended = heard
        attempt.data += chunk
        try:
            response = split_response(attempt.data, ended=ended)
        except (ValueError, IndexError):
            self._wrong(attempt, f"an answer that is not HTTP: {attempt.data[:200]!r}")
            return
        if response is None:
            if ended:
                self._wrong(attempt, "connected, then closed without a whole answer")
            return
        self._judge(attempt, *response, done_ns)

    def _judge(self, attempt: Attempt, status: int, body: bytes, done_ns: int) -> None:
        fault = self._question.fault(status, body)
        if fault is not None:
            self._wrong(attempt, *fault)
        else:
            self.first_response_ns = done_ns
            self._note("correct")
            self.resolution_ns = self._resolution(attempt)
            # The service's first client leaves politely.
            if attempt.line is not None:
                attempt.line.goodbye()
            attempt.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, bytes(8))
            for other in list(self._attempts.values()):
                self._close(other)

    def _resolution(self, winner: Attempt) -> int:
        """The largest gap between attempts in the last moments up to the one that succeeded; 0 if it was the first."""
        starts = [start for start in self._starts if start <= winner.begun_ns]
        gaps = [(late - early, late) for early, late in itertools.pairwise(starts)]
        return max((gap for gap, late in gaps if late >= winner.begun_ns - RECENT_NS), default=0)

    def _wrong(self, attempt: Attempt, kind: str, last: str | None = None) -> None:
        self._note(kind, last)
        self._close(attempt)

    def _note(self, kind: str, last: str | None = None) -> None:
        """Keep the course of what was seen: kind, how often in a row, first and last moment."""
        now = time.monotonic_ns()
        self._last = last or kind
        if self._history and self._history[-1][0] == kind:
            self._history[-1][1] = int(str(self._history[-1][1])) + 1
            self._history[-1][3] = now
        else:
            self._history.append([kind, 1, now, now])
            del self._history[:-_HISTORY]

    def _expire(self, now: int) -> None:
        for attempt in list(self._attempts.values()):
            if attempt.asked_ns:
                if now - attempt.asked_ns > PATIENCE_NS:
                    self._last = "connected, but no answer to the request yet"
                if now - attempt.asked_ns >= self._give_up_ns:
                    self._wrong(attempt, "connected, but no answer to the request")
            elif now - attempt.begun_ns > SYN_LIFE_NS:
                self._wrong(attempt, "no answer")

    def _close(self, attempt: Attempt) -> None:
        self._attempts.pop(attempt.sock.fileno(), None)
        attempt.sock.close()


def _exact_timers() -> None:
    try:
        Path("/proc/self/timerslack_ns").write_text("1000")
    except OSError:
        # The kernel's default adds 50 µs to each wait; the resolution is measured anyway.
        return


def _lines(tls_ca: str | None) -> Callable[[socket.socket], Line]:
    if tls_ca is None:
        return Line
    # Only here, because OpenSSL takes its time to load.
    from harness.probes.tls_line import tls_lines

    return tls_lines(tls_ca)


def main() -> None:
    """Ask what the order says, one thing after another; each may use what the answers before it gave."""
    # Unbuffered, so that nothing which select must see is read ahead.
    with open(0, "rb", buffering=0, closefd=False) as stdin:
        order = json.loads(stdin.readline())
    _exact_timers()
    opened = _lines(order["tls_ca"])
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    if os.read(0, 4096) != b"go\n":
        return
    before_ns = time.process_time_ns()
    captured: dict[str, str] = {}
    asked = []
    for step in order["steps"]:
        question = Question(step, captured, order)
        prober = Prober(question, opened)
        prober.run()
        asked.append(prober.report())
        if prober.first_response_ns is None:
            break
        captured |= question.captured
    sys.stdout.write(json.dumps({"asked": asked, "cpu_ns": time.process_time_ns() - before_ns}) + "\n")
    sys.stdout.flush()
