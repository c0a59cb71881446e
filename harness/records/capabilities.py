"""What a kind of target or proxy can do, as its class declares it and a campaign's manifest keeps it.

Analysis asks these instead of names, so a new target or proxy is told from the others where it is registered, and
nowhere else.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

Family = Literal["process", "container", "machine"]
"""What carries a service: a process of the host, one in namespaces of its own on the host's kernel, or a kernel of its
own."""


@dataclass(frozen=True, slots=True)
class TargetCapabilities:
    """``orchestrates``: it keeps the replicas of a service by itself."""

    family: Family
    orchestrates: bool = False


@dataclass(frozen=True, slots=True)
class ProxyCapabilities:
    """``forward``: it stands before clients, else before services. ``policies``: its evictions, if it caches."""

    forward: bool = False
    policies: tuple[str, ...] = ()

    @property
    def caches(self) -> bool:
        return bool(self.policies)


@dataclass(frozen=True, slots=True)
class Capabilities:
    """Of every target and every kind of proxy that was registered when the campaign began, by name."""

    targets: Mapping[str, TargetCapabilities] = field(default_factory=dict)
    proxies: Mapping[str, ProxyCapabilities] = field(default_factory=dict)

    def of_family(self, family: Family) -> str | None:
        """The first target of a family that is no orchestrator: what claims on the family speak of."""
        plain = (name for name, target in self.targets.items() if target.family == family and not target.orchestrates)
        return next(plain, None)

    def orchestrated(self) -> tuple[str, ...]:
        """The targets that keep services running by themselves."""
        return tuple(name for name, target in self.targets.items() if target.orchestrates)
