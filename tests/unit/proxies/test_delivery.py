"""What a proxy is told reaches it exactly, by the shell that every target starts."""

from __future__ import annotations

import stat
import subprocess
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.proxies import delivery
from harness.spec.service import ServiceSpec

TEXTS = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=200)


@given(st.lists(TEXTS, min_size=1, max_size=3))
@settings(max_examples=30)
def test_every_text_is_written_as_it_is_and_the_proxy_inherits_none(texts: list[str]) -> None:
    with tempfile.TemporaryDirectory() as made, pytest.MonkeyPatch.context() as patch:
        folder = Path(made, "proxy")
        patch.setattr(delivery, "FOLDER", str(folder))
        files = {f"file {number}": text for number, text in enumerate(texts)}
        argv, env = delivery.delivered(files, ("/bin/sh", "-c", 'env; echo "$1"', "sh", "it's $HOME"))
        service = ServiceSpec(argv=argv, env=env, port=80)
        printed = subprocess.run(service.argv, env=service.env, capture_output=True, check=True).stdout.decode()
        assert "TARE_FILE" not in printed
        assert printed.endswith("it's $HOME\n")
        assert {path.name: path.read_bytes().decode() for path in folder.iterdir()} == files
        assert {stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()} == {0o600}


@given(TEXTS)
def test_a_variable_is_one_line_as_every_target_takes_it(text: str) -> None:
    assert "\n" not in delivery.escaped(text)
