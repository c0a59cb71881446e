"""The hello workload as the tests deploy it, and what it must answer, computed from its files without its code."""

from __future__ import annotations

import hashlib
import json
import os
import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path

from harness.artifacts.api import Artifact
from harness.artifacts.builders.rootfs import build_workload
from harness.host.cpus import split_cpus
from harness.spec.files import read_workload
from harness.spec.service import Limits
from harness.spec.topology import SERVICE
from harness.targets.api import Service

FOLDER = Path(__file__).resolve().parents[2] / "workloads" / "hello"
WORKLOAD = read_workload(FOLDER)
CPUS = split_cpus(frozenset(os.sched_getaffinity(0)), 1)
"""The instrument's CPUs and the service's."""


def build() -> Artifact:
    """The artifact, which real targets run. Some 30 s the first time, then from the host's cache. Needs root."""
    return build_workload(FOLDER, WORKLOAD)


def service(artifact: Artifact, *argv: str) -> Service:
    """The workload's service with the default limits, or another program in the same place."""
    made = Service.of(artifact, WORKLOAD.members[SERVICE], Limits(), CPUS.service)
    return replace(made, argv=argv or made.argv)


def answer(method: str, path: str, body: bytes) -> tuple[int, bytes]:
    """The response that each of the workload's exchanges must get."""
    if (method, path) == ("GET", "/health"):
        return 200, b'{"status":"ok"}'
    if (method, path) == ("POST", "/echo"):
        return 200, body
    if (method, path) == ("GET", "/static/blob.bin"):
        return 200, (FOLDER / "app" / "static" / "blob.bin").read_bytes()
    kind, _, name = path.removeprefix("/").partition("/")
    if (method, kind) != ("GET", "items"):
        return 404, b"Not Found"
    if not name.isdigit():
        return 422, _json({"error": "an item's id is a whole number"})
    with closing(sqlite3.connect(f"{(FOLDER / 'app' / 'items.db').as_uri()}?mode=ro", uri=True)) as items:
        items.row_factory = sqlite3.Row
        row = items.execute("SELECT id, name, price_cents, stock FROM items WHERE id = ?", (int(name),)).fetchone()
    return (200, _json(dict(row))) if row else (404, _json({"error": f"no item {name}"}))


def expected(method: str, path: str, body: str) -> tuple[int, str]:
    """The same as harness.probes.exchanges tells it: the status, and the body's digest."""
    status, content = answer(method, path, body.encode())
    return status, f"sha256:{hashlib.sha256(content).hexdigest()}"


def _json(content: dict[str, object]) -> bytes:
    return json.dumps(content, separators=(",", ":")).encode()
