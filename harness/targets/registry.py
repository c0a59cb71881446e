"""The targets there are. A new one is a module and a line here; the contract suite then covers it."""

from __future__ import annotations

from harness.errors import SpecError
from harness.records.capabilities import TargetCapabilities
from harness.targets.api import Target
from harness.targets.docker.target import ContainerTarget
from harness.targets.process.target import ProcessTarget
from harness.targets.swarm.target import SwarmTarget
from harness.targets.vm.target import VmTarget

TARGETS: dict[str, type[Target]] = {kind.name: kind for kind in (ProcessTarget, ContainerTarget, VmTarget, SwarmTarget)}

USUAL = (ProcessTarget.name, ContainerTarget.name, VmTarget.name)
"""What a comparison is of unless it says otherwise: the packagings. An orchestrator is a way to keep one of them."""


def capabilities() -> dict[str, TargetCapabilities]:
    """Of every target, by name."""
    return {name: kind.capabilities() for name, kind in TARGETS.items()}


def make(name: str) -> Target:
    """A new target of that name. Raises SpecError that lists the known ones."""
    try:
        return TARGETS[name]()
    except KeyError:
        raise SpecError(f"There is no target {name!r}.", f"Known targets: {', '.join(TARGETS)}.") from None
