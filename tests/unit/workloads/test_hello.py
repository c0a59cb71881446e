"""The data that ships with the hello service is what its script makes."""

from __future__ import annotations

import hashlib
import importlib.util
import sqlite3
from pathlib import Path

from harness.spec.files import read_workload

HELLO = Path(__file__).resolve().parents[3] / "workloads" / "hello"


def dump(path: Path) -> list[str]:
    connection = sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)
    try:
        return list(connection.iterdump())
    finally:
        connection.close()


def test_the_data_is_what_the_script_makes(tmp_path: Path) -> None:
    spec = importlib.util.spec_from_file_location("make_data", HELLO / "make_data.py")
    assert spec is not None
    assert spec.loader is not None
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    script.write_items(tmp_path / "items.db")
    assert dump(HELLO / "app/items.db") == dump(tmp_path / "items.db")
    blob = (HELLO / "app/static/blob.bin").read_bytes()
    assert blob == script.blob()
    assert len(blob) == 100_000
    assert hashlib.sha256(blob[:32]).digest() != blob[32:64]


def test_the_workload_file_is_valid_and_its_lock_is_hashed() -> None:
    workload = read_workload(HELLO)
    assert workload.service is not None
    assert workload.service.port == 8000
    assert workload.service.ready.accepts(200, b'{"status":"ok"}')
    lock = (HELLO / "app/requirements.lock").read_text()
    pinned = [line for line in lock.splitlines() if "==" in line]
    assert len(pinned) == 9
    assert lock.count("--hash=sha256:") > len(pinned)
