"""What a command imports. Each runs in a Python of its own, in which nothing else has been imported before."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]

PROGRAM = """
import json, os, sys
before = set(sys.modules)
from harness.cli.main import run_command
code = run_command(json.loads(sys.argv[1]))
found = sorted(set(sys.modules) - before)
os.write(3, json.dumps([code, found]).encode())
"""

OURS_FOR_HELP = {
    "harness", "harness.cli", "harness.cli.main", "harness.cli.commands", "harness.errors",
    "harness.runtime", "harness.runtime.signals",
    "harness.simulation", "harness.simulation.options", "harness.simulation.policies",
}  # fmt: skip

WITHOUT_ENGINE = {"pandas", "scipy", "plotly", "pyarrow", "locust", "gevent"}
"""What no command needs that measures nothing and shows no figures."""


def imported(*arguments: str) -> tuple[int, set[str]]:
    """The exit code of ``tare ARGUMENTS``, and the modules that it imported beside those of a bare interpreter."""
    reader, writer = os.pipe()
    with os.fdopen(reader, "rb") as told:
        subprocess.run(
            [sys.executable, "-c", f"import os\nos.dup2({writer}, 3)\n{PROGRAM}", json.dumps(arguments)],
            pass_fds=(writer,),
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            cwd=ROOT,
            capture_output=True,
            check=True,
        )
        os.close(writer)
        code, modules = json.loads(told.read())
    return code, set(modules)


def roots(modules: set[str]) -> set[str]:
    return {module.partition(".")[0] for module in modules}


@pytest.mark.parametrize(
    "arguments",
    [["--help"], ["--version"], ["weigh"], ["show", "--frobnicate"], ["plan"], ["run"], ["doctor", "--help"]],
    ids=" ".join,
)
def test_help_and_usage_errors_import_click_and_nothing_else(arguments: list[str]) -> None:
    _, modules = imported(*arguments)
    foreign = {name for name in roots(modules) if name not in sys.stdlib_module_names}
    assert foreign == {"click", "harness"}
    assert {name for name in modules if name.partition(".")[0] == "harness"} == OURS_FOR_HELP


def test_a_plan_imports_no_library_of_analysis_or_load() -> None:
    code, modules = imported("plan", "benches/quickstart.toml")
    assert code == 0
    assert roots(modules) & WITHOUT_ENGINE == set()


@pytest.mark.parametrize("body", ["doctor", "sweep"])
def test_what_looks_at_the_host_imports_no_library_of_analysis_or_load(body: str) -> None:
    found = subprocess.run(
        [sys.executable, "-c", f"import sys, harness.cli.{body}; print(*sys.modules)"],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        check=True,
        text=True,
    )
    assert roots(set(found.stdout.split())) & (WITHOUT_ENGINE | {"pyroute2", "libvirt"}) == set()
