"""An artifact for a host without root: the app tree and its dependencies, run with this host's interpreter."""

from __future__ import annotations

import os
import platform
import re
import sys
from dataclasses import replace
from pathlib import Path

from harness.artifacts.api import Artifact, ImageConfig, User
from harness.artifacts.builders.rootfs import APP, add_catalogue, artifact_of, install_dependencies, workload_inputs
from harness.artifacts.cache import artifacts_dir, materialise
from harness.artifacts.digest import tree_digest
from harness.artifacts.entry import EntryRecord, Inputs, write_entry
from harness.artifacts.tree import compile_with, copy_app, normalise_modes
from harness.spec.sequence import CatalogueSpec
from harness.spec.topology import SERVICE
from harness.spec.workload import RootfsSpec, Workload

_APP_PATH = re.compile(r"(?:(?<=^)|(?<=[:=]))/app(?=/|:|$)")
_PYTHON = re.compile(r"^(?:/usr/bin/|/usr/local/bin/)?python3?(?:\.\d+)?$")


def build_embedded(folder: Path, workload: Workload, service: str = SERVICE) -> Artifact:
    """The artifact of a service of a workload folder where no root file system can be made: without root or any engine.

    ``directory`` of the artifact holds ``app/`` with ``app/site-packages`` for the interpreter that runs this, and
    ``app/node_modules``; there is no archive, and no Debian package: what a service needs of those must be on the host.
    The digest covers that tree, and is not that of the workload's real artifact. The configuration is the
    workload's, with two rules applied:

    - a Python interpreter as the first word of argv (``python3``, ``/usr/bin/python3``, ``/usr/bin/python3.11``, …)
      becomes this interpreter;
    - ``/app`` becomes the tree's path wherever it stands in argv, in a value of env or as the workdir: at the
      beginning, after ``:`` or after ``=``, and before ``/``, ``:`` or the end.

    The service runs as the user who runs this, who could write to the tree: byte code is made beforehand, and
    ``PYTHONDONTWRITEBYTECODE`` keeps Python from adding any, so that the digest stays what it is. Raises what
    ``install_requirements`` and ``copy_app`` raise.
    """
    spec = workload.root_file_systems[workload.members[service].root]
    inputs = Inputs(
        {
            **workload_inputs(folder, spec, workload.catalogue).values,
            "embedded": f"{sys.implementation.cache_tag} {platform.libc_ver()}",
            "owner": f"{os.geteuid()}:{os.getegid()}",
        }
    )
    entry = artifacts_dir() / inputs.key
    source = f"workload {workload.name} with this host's Python {platform.python_version()}"
    materialise(entry, lambda workspace: _build(workspace, folder, spec, workload.catalogue, source, inputs))
    made = artifact_of(entry, workload, service, embedded=True)
    return replace(made, config=adapted(made.config, entry / "rootfs" / APP))


def adapted(config: ImageConfig, app: Path) -> ImageConfig:
    """The configuration with ``build_embedded``'s two rules applied, for the app tree at ``app``."""
    first = sys.executable if _PYTHON.match(config.argv[0]) else mapped(config.argv[0], app)
    user = User(uid=os.geteuid(), gid=os.getegid(), groups=(), home=str(Path.home()))
    env = {key: mapped(value, app) for key, value in config.env}
    return replace(
        config,
        argv=(first, *(mapped(word, app) for word in config.argv[1:])),
        env=tuple({**env, "HOME": user.home, "PYTHONDONTWRITEBYTECODE": "1"}.items()),
        workdir=mapped(config.workdir, app),
        user=user,
    )


def mapped(value: str, app: Path) -> str:
    """``value`` with ``/app`` replaced where the rule says so."""
    return _APP_PATH.sub(lambda _match: str(app), value)


def _build(
    workspace: Path, folder: Path, spec: RootfsSpec, catalogue: CatalogueSpec | None, source: str, inputs: Inputs
) -> Path:
    entry = workspace / "entry"
    tree = entry / "rootfs"
    tree.mkdir(mode=0o755, parents=True)
    copy_app(folder / spec.app, tree / APP)
    add_catalogue(spec, catalogue, tree / APP)
    install_dependencies(folder, spec, workspace, tree / APP, None)
    compile_with([sys.executable], tree, [tree / APP])
    normalise_modes(tree)
    write_entry(
        entry,
        EntryRecord(
            key=inputs.key,
            source=source,
            digest=tree_digest(tree),
            tar_bytes=0,
            inputs=inputs.values,
        ),
    )
    return entry
