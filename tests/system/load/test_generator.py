"""The generator as its parent sees it: a Locust process on the loopback interface. Needs no root and no engine."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import psutil
import pytest

from harness.clock import sleep_until_ns
from harness.errors import LoadError
from harness.load.calibration.calibrate import RateSearch, calibrate, null_service
from harness.load.plan import CapacityPhase, LoadPlan, OpenLoop, Schedule, Targets, TaskSource
from harness.load.recorder import Outcome, Phase, read_run
from harness.load.runner import Generator
from harness.runtime.confinement import Confinement
from harness.spec.route import Route, Way
from tests.support.authority import Authority
from tests.support.web import reply, service

HERE = Confinement(None, frozenset({max(os.sched_getaffinity(0))}))
SERVICE = Confinement(None, frozenset({min(os.sched_getaffinity(0))}))
OPEN = OpenLoop(Schedule(200, 1.0, 0.3), tail_s=0.2)


@pytest.fixture
def port() -> Iterator[int]:
    with null_service("127.0.0.1", SERVICE) as listening:
        yield listening


def to(port: int) -> Targets:
    return Targets((Route("/", "127.0.0.1", port),))


def lasting(duration_s: float, rate_rps: float = 200) -> OpenLoop:
    return replace(OPEN, schedule=replace(OPEN.schedule, duration_s=duration_s, rate_rps=rate_rps))


def plan_for(
    port: int, folder: Path, load: OpenLoop = OPEN, *, locustfile: str | None = None, seed: int = 1
) -> LoadPlan:
    return LoadPlan(to(port), load, str(folder / "samples.bin"), TaskSource(locustfile), seed)


def locustfile(folder: Path, body: str) -> str:
    path = folder / "locustfile.py"
    path.write_text(textwrap.dedent(body))
    return str(path)


def generator(plan: LoadPlan, folder: Path) -> Generator:
    return Generator(plan, HERE, folder)


def test_a_run_gives_every_sample_of_the_schedule_and_leaves_nothing(port: int, tmp_path: Path) -> None:
    with generator(plan_for(port, tmp_path, replace(OPEN, capacity=CapacityPhase(8, 0.5))), tmp_path) as running:
        running.wait_ready()
        process = psutil.Process(running.pid)
        assert process.cpu_affinity() == sorted(HERE.cpus)
        windows = running.start()
        sleep_until_ns(windows.window_begin_ns)
        result = running.finish()
    assert not process.is_running()
    assert result.scheduled == result.completed > 100
    assert (result.dropped, result.errors, result.unexpected) == (0, 0, 0)
    assert result.tasks == ("get",)
    measured = result.samples[result.samples["phase"] == Phase.MEASURED]
    assert (measured["intended_ns"] >= windows.window_begin_ns).all()
    assert (measured["intended_ns"] < windows.window_end_ns).all()
    assert result.generator_busy > 0
    assert result.capacity is not None
    assert result.capacity.rps > 0


def test_the_same_seed_gives_the_same_schedule_and_tasks(port: int, tmp_path: Path) -> None:
    source = """
        from locust import task
        from harness.load import HttpUser

        class Two(HttpUser):
            @task(3)
            def often(self): self.client.get(f"/{self.rng.random()}")
            @task(1)
            def seldom(self): self.client.get("/x", expect_status=404)
    """
    seen = []
    for _ in range(2):
        plan = plan_for(port, tmp_path, lasting(0.5), locustfile=locustfile(tmp_path, source), seed=9)
        with generator(plan, tmp_path) as running:
            running.wait_ready()
            windows = running.start()
            result = running.finish()
        order = np.argsort(result.samples["intended_ns"], kind="stable")
        names = [result.tasks[task] for task in result.samples["task"][order]]
        seen.append(((result.samples["intended_ns"][order] - windows.begin_ns).tolist(), names))
        unexpected = result.samples["outcome"] == Outcome.UNEXPECTED
        assert set(result.samples["task"][unexpected]) == {result.tasks.index("seldom")}
        assert result.unexpected > 0
    assert seen[0] == seen[1]


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("import nothing_like_this", "nothing_like_this"),
        ("from harness.load import HttpUser\nclass A(HttpUser):\n    def on_start(self): ...", "no tasks"),
    ],
)
def test_a_locustfile_that_cannot_be_used_is_told_with_its_output(
    source: str, expected: str, tmp_path: Path, port: int
) -> None:
    plan = plan_for(port, tmp_path, locustfile=locustfile(tmp_path, source))
    with generator(plan, tmp_path) as running, pytest.raises(LoadError) as caught:
        running.wait_ready()
    assert expected in "\n".join([caught.value.what, *caught.value.notes])


def test_a_missing_namespace_is_told(tmp_path: Path, port: int) -> None:
    broken = Generator(plan_for(port, tmp_path), replace(HERE, netns="tare-test-none"), tmp_path)
    with broken as running, pytest.raises(LoadError) as caught:
        running.wait_ready()
    assert "nsenter" in "\n".join(caught.value.notes)


def test_leaving_early_ends_the_process_and_keeps_what_was_recorded(port: int, tmp_path: Path) -> None:
    plan = plan_for(port, tmp_path, lasting(30.0))
    with generator(plan, tmp_path) as running:
        running.wait_ready()
        windows = running.start()
        process = psutil.Process(running.pid)
        os.kill(running.pid, 0)
        sleep_until_ns(windows.window_begin_ns + 300_000_000)
    assert not process.is_running()
    samples, _, facts = read_run(Path(plan.samples))
    assert facts["interrupted"] is True
    assert len(samples) > 0


def test_the_generator_dies_with_its_parent_and_not_with_ctrl_c(port: int, tmp_path: Path) -> None:
    plan = plan_for(port, tmp_path, lasting(30.0))
    (tmp_path / "plan.json").write_text(plan.to_json())
    code = """
        import pathlib, sys, time
        from harness.runtime.confinement import Confinement
        from harness.load.plan import LoadPlan
        from harness.load.runner import Generator
        folder = pathlib.Path(sys.argv[1])
        plan = LoadPlan.from_json((folder / "plan.json").read_text())
        with Generator(plan, Confinement(None, frozenset({int(sys.argv[2])})), folder) as generator:
            generator.wait_ready()
            generator.start()
            print(generator.pid, flush=True)
            time.sleep(60)
    """
    command = [sys.executable, "-c", textwrap.dedent(code), str(tmp_path), str(min(HERE.cpus))]
    parent = subprocess.Popen(command, stdout=subprocess.PIPE, start_new_session=True)
    assert parent.stdout is not None
    child = psutil.Process(int(parent.stdout.readline()))
    assert os.getpgid(child.pid) != os.getpgid(parent.pid)
    parent.send_signal(signal.SIGKILL)
    parent.communicate()
    child.wait(10)
    assert read_run(Path(plan.samples))[2]["interrupted"] is True


HOOK = """
    from locust import constant, task
    from harness.load import HttpUser

    class Prepared(HttpUser):
        wait_time = constant(0.01)
        made = []

        @classmethod
        def before_load(cls, client, rng):
            cls.made.append(client.get("/made").status)
            print("made", len(cls.made), flush=True)

        @task
        def use(self): self.client.get("/", check=lambda answer: self.made == [200])
"""


def test_what_the_load_needs_is_made_before_it_and_not_recorded(port: int, tmp_path: Path) -> None:
    plan = plan_for(port, tmp_path, lasting(0.5), locustfile=locustfile(tmp_path, HOOK))
    with generator(plan, tmp_path) as running:
        running.wait_ready()
        running.prepare()
        running.start()
        result = running.finish()
    assert result.scheduled == result.completed > 50
    assert (result.unexpected, result.tasks) == (0, ("use",))


def test_a_preparation_that_fails_is_told(tmp_path: Path) -> None:
    with service(lambda _: reply(503, "starting")) as one:
        plan = plan_for(one.port, tmp_path, locustfile=locustfile(tmp_path, HOOK))
        with generator(plan, tmp_path) as running:
            running.wait_ready()
            with pytest.raises(LoadError, match=r"before the load: GET /made: status 503.*starting"):
                running.prepare()
    assert [asked.target for asked in one.asked] == ["/made"]


def test_plain_locust_prepares_once_for_all_users(port: int, tmp_path: Path) -> None:
    for place, made, code in [(port, 1, 0), (1, 0, 1)]:
        ended = plain_locust(locustfile(tmp_path, HOOK), place, tmp_path, "-u", "3", "-r", "3")
        assert ended.stdout.count("made ") == made
        assert ended.returncode == code, ended.stderr
        assert ("before the load: GET /made: cannot connect" in ended.stderr or "refused" in ended.stderr) == (not made)


def test_routes_and_tls_inside_locust(tmp_path: Path) -> None:
    """Locust's monkey-patching touches OpenSSL's classes too."""
    source = """
        from locust import task
        from harness.load import HttpUser

        class Two(HttpUser):
            @task
            def one(self): self.client.get("/", check=lambda answer: answer.body == b"one")
            @task
            def other(self): self.client.get("/other/x", check=lambda answer: answer.body == b"other")
    """
    authority = Authority.made(tmp_path)
    server = authority.server("127.0.0.1")
    with (
        service(lambda _: reply(200, "one"), tls=server) as one,
        service(lambda _: reply(200, "other"), tls=server) as other,
    ):
        routes = (Route("/", "127.0.0.1", one.port), Route("/other", "127.0.0.1", other.port))
        plan = replace(
            plan_for(1, tmp_path, lasting(1.0, 100), locustfile=locustfile(tmp_path, source)),
            targets=Targets(routes, Way(str(authority.pem))),
        )
        with generator(plan, tmp_path) as running:
            running.wait_ready()
            running.start()
            result = running.finish()
    assert result.scheduled == result.completed > 50
    assert len(one.asked) > 20 < len(other.asked)


def plain_locust(source: str, port: int, folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
    command = [
        sys.executable, "-m", "locust", "-f", source, "--headless", "-t", "3s", "--host", f"http://localhost:{port}",
        "--json", *options,
    ]  # fmt: skip
    return subprocess.run(
        command, capture_output=True, text=True, timeout=100, cwd=folder, check=False,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
    )  # fmt: skip


def test_plain_locust_runs_the_same_file(port: int, tmp_path: Path) -> None:
    source = """
        from locust import constant, task
        from harness.load import HttpUser

        class One(HttpUser):
            wait_time = constant(0.01)
            @task
            def root(self): self.client.get("/")
            @task
            def wrong(self): self.client.get("/wrong", check=lambda answer: False)
    """
    ended = plain_locust(locustfile(tmp_path, source), port, tmp_path, "-u", "2", "--exit-code-on-error", "7")
    assert ended.returncode == 7, ended.stderr
    assert '"name": "/wrong"' in ended.stdout
    assert "Traceback" not in ended.stderr


def test_calibration_finds_the_floor_and_a_limit(port: int, tmp_path: Path) -> None:
    floor = calibrate(RateSearch(200), Route("/", "127.0.0.1", port), HERE, tmp_path)
    assert floor.rate_rps == 200
    assert 0 < floor.service_time_p50_ms <= floor.latency_p50_ms <= floor.latency_p99_ms
    assert floor.highest_rate_rps in {0.0, *(200.0 * 2**step for step in range(8))}
