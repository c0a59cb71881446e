"""The sizes of a workload's catalogue, written into its app tree when it is built.

There is no build script of the workload's: the sizes are drawn by the one function that the client and the simulation
take theirs from, so that nothing has to agree with anything.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np

from harness.errors import SpecError
from harness.simulation.sequences import object_sizes
from harness.spec.sequence import CatalogueSpec


def catalogue_table(spec: CatalogueSpec) -> bytes:
    """The size of each object in order, as unsigned little-endian numbers of 32 bits, and nothing else."""
    return object_sizes(spec, np.arange(spec.objects, dtype=np.uint64)).astype("<u4").tobytes()


def catalogue_digest(spec: CatalogueSpec) -> str:
    """``sha256:<hex>`` of the table."""
    return f"sha256:{hashlib.sha256(catalogue_table(spec)).hexdigest()}"


def write_catalogue(spec: CatalogueSpec, app: Path, relative: str) -> None:
    """Write the table into an app tree. Raises SpecError if the tree has something of that name already."""
    path = app / relative
    if path.exists() or path.is_symlink():
        raise SpecError(f"the app tree already has a {relative!r}", "give the root's key catalogue another path")
    if not path.parent.resolve().is_relative_to(app.resolve()):
        raise SpecError(f"catalogue = {relative!r} leads out of the app tree", "keep it inside, without links out")
    path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
    path.write_bytes(catalogue_table(spec))
    path.chmod(0o644)
