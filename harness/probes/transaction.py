"""When a set of services did its first whole piece of work: several requests, each of which needs the one before.

It is the prober's process (harness.probes.startup) with several things to ask and nearly the same rules. Each step is
asked again, on a new connection, until its expected answer has come; then the next begins. A step may change something,
so it is never under way twice: a request that was accepted is waited for 5 s before it is given up and made again. It
may have had its effect all the same, so a step must expect what its repetition is answered with, too. The end is
the moment after the last byte of the last step's answer.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

from harness.errors import NotReady, SpecError
from harness.probes.prober_process import ProberProcess
from harness.probes.question import references
from harness.runtime.confinement import Confinement
from harness.spec.route import STRAIGHT, Route, Way, route_of
from harness.spec.topology import Step


@dataclass(frozen=True, slots=True)
class StepDone:
    """A step (``METHOD path`` as the workload's file has it), when its expected answer was there, and its attempts."""

    name: str
    done_ns: int
    attempts: int


@dataclass(frozen=True, slots=True)
class TransactionResult:
    """Moments of the host's monotonic clock; ``done_ns`` is that of the last step.

    ``listening_ns``: the first step's place took a connection for the first time. ``resolution_ns``: the largest gap
    between two attempts at a step in the last 50 ms up to the one that succeeded, of all steps the worst (see
    harness.probes.startup.ProbeResult). ``cpu_ns``: the prober's own CPU time since ``go``.
    """

    done_ns: int
    steps: tuple[StepDone, ...]
    attempts: int
    cpu_ns: int
    listening_ns: int
    resolution_ns: int


class Transaction:
    """A transaction at work. A context manager; entering it returns once the process waits for ``go``.

    A value that a step captures stands for its ``${name}`` in later steps, as it is: nothing is escaped.
    Raises SpecError for steps that cannot be asked, NotReady when the process cannot be started.
    """

    def __init__(
        self,
        steps: Sequence[Step],
        routes: Sequence[Route],
        at: Confinement,
        way: Way = STRAIGHT,
    ) -> None:
        _must_be_askable(steps, routes)
        self._child = ProberProcess(list(map(_order, steps)), routes, at, way)
        self._count = len(steps)

    def __enter__(self) -> Self:
        self._child.__enter__()
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._child.end()

    def go(self) -> None:
        """Begin with the first step. Right after the trigger, or before it."""
        self._child.go()

    def result(self, timeout_s: float, alive: Callable[[], bool] = lambda: True) -> TransactionResult:
        """Wait for the last step's answer.

        Raises NotReady, with the step and what was seen of it last, when the time is up or when ``alive()`` turned
        False. ``alive`` is asked about every 50 ms.
        """
        report, why = self._child.report(timeout_s, alive)
        asked: list[dict[str, Any]] = report["asked"]
        last = asked[-1]
        if last["first_response_ns"] is None:
            step = f"step {len(asked)} of {self._count}, {last['name']}"
            raise NotReady(
                f"{why}: {step} (last seen: {last['last'] or 'no answer'})",
                "look at the services' log lines; the steps are `first` of the workload's topology",
            )
        return TransactionResult(
            done_ns=last["first_response_ns"],
            steps=tuple(StepDone(each["name"], each["first_response_ns"], each["attempts"]) for each in asked),
            attempts=sum(each["attempts"] for each in asked),
            cpu_ns=report["cpu_ns"],
            listening_ns=asked[0]["listening_ns"],
            resolution_ns=max(each["resolution_ns"] for each in asked),
        )


def _order(step: Step) -> dict[str, object]:
    return {
        "name": _name(step), "method": step.method, "path": step.path, "headers": step.headers, "body": step.body,
        "status": step.status, "exact": None, "contains": step.body_contains, "capture": step.capture, "alone": True,
    }  # fmt: skip


def _must_be_askable(steps: Sequence[Step], routes: Sequence[Route]) -> None:
    remedy = "correct `first` of the workload's topology"
    known: set[str] = set()
    if not steps:
        raise SpecError("a transaction without steps", remedy)
    for step in steps:
        for text in (step.path, step.body, *step.headers.values()):
            for name in references(text):
                if name not in known:
                    raise SpecError(f"step {_name(step)}: no step before it captures ${{{name}}}", remedy)
        try:
            route_of(step.path, routes)
        except ValueError as error:
            raise SpecError(f"step {_name(step)}: {error}", remedy) from None
        known |= set(step.capture)


def _name(step: Step) -> str:
    return f"{step.method} {step.path}"
