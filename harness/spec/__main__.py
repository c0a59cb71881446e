"""``python -m harness.spec FOLDER`` writes the JSON schemas of both kinds of file there, for editors and scripts."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from harness.spec.base import SpecModel
from harness.spec.experiment import Experiment
from harness.spec.workload import Workload

SCHEMAS: dict[str, type[SpecModel]] = {"experiment.schema.json": Experiment, "workload.schema.json": Workload}


def schema_text(name: str) -> str:
    """The JSON schema that belongs into the file of that name."""
    return json.dumps(SCHEMAS[name].model_json_schema(), indent=2, sort_keys=True) + "\n"


def main(folder: Path) -> None:
    """Write every schema into ``folder``."""
    for name in SCHEMAS:
        (folder / name).write_text(schema_text(name), "utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
