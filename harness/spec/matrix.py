"""What an experiment compares: the variants, which are the matrix's combinations less the excluded ones."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import product
from typing import Annotated

from pydantic import Field, model_validator

from harness.records.variant import Variant
from harness.spec.base import Name, Share, SpecModel
from harness.spec.proxy import DIRECT
from harness.spec.topology import SINGLE

AA_SUFFIX = "-aa"

Replicas = Annotated[int, Field(ge=1, le=16)]


class Combination(SpecModel):
    """Combinations of the matrix, by what is given; what is not given may be anything."""

    topology: Name | None = None
    target: Name | None = None
    proxy: Name | None = None
    replicas: Replicas | None = None
    cache_share: Share | None = None

    @model_validator(mode="after")
    def _says_something(self) -> Combination:
        if not self.model_fields_set:
            raise ValueError("give at least one of topology, target, proxy, replicas, cache_share")
        return self

    def holds(self, variant: Variant) -> bool:
        """Whether ``variant`` is one of these combinations."""
        given = self.model_dump(exclude_none=True)
        return all(getattr(variant, key) == value for key, value in given.items())


class Matrix(SpecModel):
    """What is compared. ``targets`` are targets or names of ``[placements]``.

    ``replicas`` are of each service that clients reach. Several of them need a proxy that spreads the load, so
    ``direct`` is combined with 1 alone. ``cache_shares`` are capacities of proxies that cache, as shares of the bytes
    of the catalogue's objects; ``direct`` has none. ``exclude`` takes combinations out. ``aa`` names a variant that
    runs twice under two names: the A/A pair.
    """

    topologies: Annotated[tuple[Name, ...], Field(strict=False, min_length=1, max_length=16)] = (SINGLE,)
    targets: Annotated[tuple[Name, ...], Field(strict=False, min_length=1, max_length=16)]
    proxies: Annotated[tuple[Name, ...], Field(strict=False, min_length=1, max_length=32)] = (DIRECT,)
    replicas: Annotated[tuple[Replicas, ...], Field(strict=False, min_length=1, max_length=16)] = (1,)
    cache_shares: Annotated[tuple[Share, ...], Field(strict=False, max_length=16)] = ()
    exclude: Annotated[tuple[Combination, ...], Field(strict=False)] = ()
    aa: Name | None = None

    @model_validator(mode="after")
    def _consistent(self) -> Matrix:
        if len(set(self.targets)) != len(self.targets):
            raise ValueError('a target is named twice; for an A/A pair set aa = "<variant>"')
        for what, given in (
            ("topology", self.topologies),
            ("proxy", self.proxies),
            ("number of replicas", self.replicas),
            ("cache share", self.cache_shares),
        ):
            if len(set(given)) != len(given):
                raise ValueError(f"a {what} is named twice")
        names = [variant.name for variant in self.variants("")]
        if not names:
            raise ValueError("exclude leaves no combination")
        if self.aa is not None and self.aa not in names:
            raise ValueError(f"aa = {self.aa!r} is not one of the variants: {', '.join(names)}")
        if doubled := next((name for name in names if names.count(name) > 1), None):
            raise ValueError(f"two variants are both called {doubled!r}; give one of their parts another name")
        return self

    def variants(self, workload: str) -> tuple[Variant, ...]:
        """Every variant, in the order of the file, the second of an A/A pair right after the first."""
        found = []
        for variant in self._combinations(workload):
            found.append(variant)
            if variant.name == self.aa:
                found.append(replace(variant, name=variant.name + AA_SUFFIX, aa=True))
        return tuple(found)

    def _combinations(self, workload: str) -> Iterator[Variant]:
        shares = self.cache_shares or (None,)
        for topology, target, proxy, replicas, share in product(
            self.topologies, self.targets, self.proxies, self.replicas, shares
        ):
            if proxy == DIRECT and (replicas > 1 or share != shares[0]):
                continue
            capacity = None if proxy == DIRECT else share
            name = variant_name(topology, target, proxy, replicas, capacity)
            variant = Variant(
                name=name,
                workload=workload,
                topology=topology,
                target=target,
                proxy=proxy,
                replicas=replicas,
                cache_share=capacity,
            )
            if not any(combination.holds(variant) for combination in self.exclude):
                yield variant


def variant_name(topology: str, target: str, proxy: str, replicas: int, cache_share: float | None = None) -> str:
    """``process``, ``shop-container-nginx-x3``, ``process-varnish-1pc``: what is said is what is not plain."""
    parts = [topology] if topology != SINGLE else []
    parts.append(target)
    parts += [proxy] if proxy != DIRECT else []
    parts += [f"x{replicas}"] if replicas > 1 else []
    # A name has no point in it.
    parts += [f"{cache_share * 100:g}pc".replace(".", "-")] if cache_share is not None else []
    return "-".join(parts)
