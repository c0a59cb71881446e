"""Every notebook is stored without outputs and runs on the recorded campaign."""

from __future__ import annotations

from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

ROOT = Path(__file__).resolve().parents[2]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))


def read(path: Path) -> nbformat.NotebookNode:
    return nbformat.read(path, as_version=4)  # type: ignore[no-untyped-call,no-any-return]  # nbformat is not annotated


def test_there_is_a_notebook() -> None:
    assert [path.name for path in NOTEBOOKS] == ["01-first-campaign.ipynb"]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.name)
def test_outputs_are_not_kept(path: Path) -> None:
    for cell in read(path).cells:
        assert not cell.get("outputs")
        assert cell.get("execution_count") is None


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.name)
@pytest.mark.filterwarnings("ignore:There is no current event loop:DeprecationWarning")
def test_it_runs(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = ROOT / "tests" / "data" / "campaign"
    assert (data / "manifest.json").is_file(), f"{data} is missing: record it with tare run"
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    notebook = read(path)
    NotebookClient(notebook, timeout=100, resources={"metadata": {"path": str(path.parent)}}).execute()
    shown = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    charts = [output for output in shown if "application/vnd.plotly.v1+json" in output.get("data", {})]
    assert len(charts) == 5
    assert not [output for output in shown if output.output_type == "error"]
