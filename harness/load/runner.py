"""The parent's side of the generator: Locust as a subprocess, pinned, in the client's namespace, started on the dot."""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
from pathlib import Path
from types import TracebackType
from typing import Self

import harness
from harness.clock import NS_PER_S, now_ns
from harness.errors import LoadError
from harness.load import recorder
from harness.load.plan.load_plan import EVENTS_ENV, PLAN_ENV, LoadPlan
from harness.load.plan.windows import Windows
from harness.load.result import LoadResult
from harness.runtime.confinement import Confinement

LEAD_NS = 300_000_000
"""How far in the future the start lies: the generator opens its first connections meanwhile."""
FAR_LEAD_NS = 1_500_000_000
"""The same where clients stand in regions: a connection to another continent takes a round trip, with TLS three."""

_GRACE_S = 5.0
_LOG_LINES = 20
_GENERIC = Path(__file__).parent / "worker" / "generic.py"


class Generator:
    """One run of a load plan. A context manager: on the way out the process is gone, whatever happened.

    ``at``: where the process runs. ``scratch`` is an existing folder for the plan, the generator's log and its samples.
    ``wait_ready``, ``prepare`` (once the services answer; it may be left out), ``start`` and ``finish`` are called in
    this order. All raise LoadError, with the last lines of the generator's output as a note.
    """

    def __init__(self, plan: LoadPlan, at: Confinement, scratch: Path) -> None:
        self._plan = plan
        self._at = at
        self._scratch = scratch.resolve()
        self._log = self._scratch / "generator.log"
        self._process: subprocess.Popen[bytes] | None = None
        self._events = -1
        self._text = b""
        self._windows: Windows | None = None
        self._prepared = False

    def __enter__(self) -> Self:
        plan_path = self._scratch / "load-plan.json"
        plan_path.write_text(self._plan.to_json())
        self._events, child_end = os.pipe()
        try:
            with self._log.open("wb") as log:
                self._process = subprocess.Popen(
                    self._at.command(self._command()),
                    stdin=subprocess.PIPE,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    cwd=self._scratch,
                    env=self._environment(plan_path, child_end),
                    pass_fds=(child_end,),
                    # The terminal's Ctrl-C is the parent's to decide about. A parent that is killed closes the pipe.
                    start_new_session=True,
                )
        except OSError as error:
            os.close(self._events)
            raise LoadError(f"the load generator cannot be started: {error}", "see `tare doctor`") from error
        finally:
            os.close(child_end)
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        process = self._process
        if process is None:
            return
        if process.poll() is None:
            process.terminate()
            try:
                process.wait(2)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        if process.stdin is not None:
            process.stdin.close()
        os.close(self._events)
        self._process = None

    @property
    def pid(self) -> int:
        """The generator's process. Raises RuntimeError outside the context."""
        return self._running().pid

    def wait_ready(self, timeout_s: float = 30.0) -> None:
        """Wait until Locust has loaded the locustfile and the whole schedule is drawn."""
        self._await("ready", timeout_s)

    def prepare(self) -> None:
        """Run the locustfile's ``before_load``, make the plan's ``prefill``, and wait for the end of both.

        A failure says what happened.
        """
        self._order(b"prepare\n", "prepared")
        self._await("prepared", self._plan.prepare_limit_s)
        self._prepared = True

    def start(self) -> Windows:
        """Fix the start a little ahead, tell the generator, and return at once with all windows."""
        if self._plan.prefill and not self._prepared:
            raise RuntimeError("a plan with prefill has to be prepared")
        begin_ns = now_ns() + (FAR_LEAD_NS if self._plan.targets.regions else LEAD_NS)
        self._order(b"start %d\n" % begin_ns, "started")
        self._windows = Windows.of(self._plan, begin_ns)
        return self._windows

    def finish(self) -> LoadResult:
        """Wait for the end of the run and read what it recorded."""
        return LoadResult.of(*self.finish_raw(), self._plan.targets.region_names)

    def finish_raw(self) -> tuple[recorder.Samples, list[str], dict[str, object], Windows]:
        """``finish`` without the counts: samples, tasks, the generator's facts and the windows."""
        if self._windows is None:
            raise RuntimeError("the generator has not been started")
        left_s = (self._windows.end_ns - now_ns()) / NS_PER_S
        self._await("done", max(0.0, left_s) + self._plan.timeout_s + _GRACE_S)
        samples, tasks, facts = recorder.read_run(Path(self._plan.samples))
        return samples, tasks, facts, self._windows

    def _order(self, order: bytes, what: str) -> None:
        stdin = self._running().stdin
        try:
            if stdin is not None:
                stdin.write(order)
                stdin.flush()
        except BrokenPipeError:
            raise self._failure(f"the load generator ended before it was {what}") from None

    def _command(self) -> list[str]:
        first = self._plan.targets.routes[0]
        # Where the requests go the plan says; the host is for Locust, which wants one.
        return [
            sys.executable, "-m", "locust", "--headless", "--users", "1", "--spawn-rate", "1",
            "--locustfile", self._plan.tasks.locustfile or str(_GENERIC), "--host", f"http://{first.ip}:{first.port}",
            "--only-summary", "--loglevel", "WARNING", "--exit-code-on-error", "0",
        ]  # fmt: skip

    def _environment(self, plan_path: Path, events: int) -> dict[str, str]:
        # Locust also takes options from LOCUST_* and from files in the home and working folders: none of them ours.
        env = {key: value for key, value in os.environ.items() if not key.startswith("LOCUST_")}
        package_root = str(Path(harness.__file__).resolve().parent.parent)
        env["PYTHONPATH"] = os.pathsep.join([package_root, *filter(None, [env.get("PYTHONPATH")])])
        return env | {PLAN_ENV: str(plan_path), EVENTS_ENV: str(events), "HOME": str(self._scratch)}

    def _running(self) -> subprocess.Popen[bytes]:
        if self._process is None:
            raise RuntimeError("the generator runs only inside its context")
        return self._process

    def _await(self, awaited: str, timeout_s: float) -> None:
        deadline_ns = now_ns() + round(timeout_s * NS_PER_S)
        while True:
            while b"\n" in self._text:
                line, self._text = self._text.split(b"\n", 1)
                event = json.loads(line)
                if event["event"] == "failed":
                    raise LoadError(event["what"], event["remedy"])
                if event["event"] == awaited:
                    return
            left_s = (deadline_ns - now_ns()) / NS_PER_S
            if left_s <= 0 or not select.select([self._events], [], [], left_s)[0]:
                raise self._failure(f"the load generator was not {awaited} within {timeout_s:.0f} s")
            data = os.read(self._events, 4096)
            if not data:
                raise self._failure(f"the load generator ended before it was {awaited}")
            self._text += data

    def _failure(self, what: str) -> LoadError:
        error = LoadError(what, "look at the generator's output below, and at the locustfile")
        lines = self._log.read_text(errors="replace").splitlines()[-_LOG_LINES:]
        if lines:
            error.add_note("\n".join(lines))
        return error
