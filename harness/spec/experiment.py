"""``benches/*.toml``: a question, a workload, a matrix, a load and a number of repeats."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Annotated, Any, Self

from pydantic import Field, ValidationError, model_validator

from harness.records.variant import Variant
from harness.spec.base import Name, Rate, Seconds, SecondsOrZero, Share, SpecModel
from harness.spec.event import EventSpec
from harness.spec.geography import Geography
from harness.spec.matrix import Matrix
from harness.spec.proxy import DIRECT, ProxySpec, is_proxy
from harness.spec.sequence import SequenceSpec, TraceSpec
from harness.spec.service import Limits, ServiceSpec

IMAGE_PREFIX = "image:"


class ReplaySpec(SpecModel):
    """A sequence's first ``requests``, one after another on ``users`` connections, each as soon as its turn comes.

    The first ``warmup`` of them are made but not counted. With one user a cache meets them in exactly that order.
    """

    requests: Annotated[int, Field(ge=1, le=10_000_000)]
    warmup: Annotated[int, Field(ge=0, le=10_000_000)] = 0
    users: Annotated[int, Field(ge=1, le=1024)] = 1

    @model_validator(mode="after")
    def _something_counts(self) -> ReplaySpec:
        if self.warmup >= self.requests:
            raise ValueError(f"warmup is {self.warmup}: nothing of {self.requests} requests would be counted")
        return self


class LoadSpec(SpecModel):
    """The load: open-loop arrivals at a rate, the same for every variant, or a replay.

    Give ``rates_rps`` (absolute), or ``capacity_shares`` (shares of the slowest variant's capacity, which a calibration
    finds first, with ``closed_users`` closed-loop connections for ``capacity_s``): each is one load level. Or give
    ``replay``: then every sequence of the experiment is a level, and there is no schedule. ``null_steps``: at how many
    rates the generator is tried against the null service, each twice the one before. The first gives the floor, and all
    of them the highest rate that it keeps.
    """

    arrivals: Annotated[str, Field(pattern="^(poisson|constant)$")] = "poisson"
    rates_rps: Annotated[tuple[Rate, ...], Field(strict=False, max_length=16)] = ()
    capacity_shares: Annotated[tuple[Share, ...], Field(strict=False, max_length=16)] = ()
    replay: ReplaySpec | None = None
    warmup_s: SecondsOrZero = 2.0
    duration_s: Seconds = 10.0
    capacity_s: Seconds = 5.0
    closed_users: Annotated[int, Field(ge=1, le=1024)] = 8
    max_in_flight: Annotated[int, Field(ge=1, le=10_000)] = 128
    timeout_s: Seconds = 10.0
    null_steps: Annotated[int, Field(ge=2, le=8)] = 8

    @model_validator(mode="after")
    def _levels_apart(self) -> LoadSpec:
        if sum(map(bool, (self.rates_rps, self.capacity_shares, self.replay))) != 1:
            raise ValueError("give one of rates_rps and capacity_shares, with at least one value, or replay")
        given = self.rates_rps or self.capacity_shares
        if len({f"{value:g}" for value in given}) != len(given):
            raise ValueError("a load level is given twice")
        return self


class Validity(SpecModel):
    """When a trial is invalid (docs/method.md). The report prints the limits in force."""

    min_achieved_share: Share = 0.99
    max_dropped: Annotated[int, Field(ge=0)] = 0
    max_send_lag_ms: Annotated[float, Field(gt=0, strict=False)] = 2.0
    max_send_lag_share: Share = 0.05
    max_generator_busy: Share = 0.8
    max_steal: Share = 0.02
    max_unexpected: Annotated[int, Field(ge=0)] = 0
    max_rtt_error_ms: Annotated[float, Field(gt=0, strict=False)] = 1.0
    max_rtt_error_share: Share = 0.05


class Experiment(SpecModel):
    """An experiment's file, after ``[quick]`` was applied if it was asked for.

    ``workload`` is the name of a folder in ``workloads/``, or ``image:NAME`` for a local image, which then needs a
    ``[service]`` table with at least a port. ``baseline`` is a variant. ``placements`` are names for targets that
    differ by service: ``{ default = "container", payments = "vm" }``; ``proxy`` is the place of a proxy. ``settle_s``
    is how long an instance is left alone between its first correct response and the idle memory reading.

    ``geography`` puts clients, points of presence and services into regions. ``sequences`` say which objects are asked
    for: a specification, or a trace file beside the experiment, mapped onto the catalogue. At rates there is at most
    one of them; a replay needs one at least. ``prefill``: the first requests of the sequence that a ``warm`` proxy is
    asked for before the load, which then goes on after them; every other proxy is asked for none of them.
    """

    name: Name
    question: Annotated[str, Field(min_length=1, max_length=500)]
    workload: Annotated[str, Field(min_length=1, max_length=300)]
    service: ServiceSpec | None = None
    matrix: Matrix
    placements: dict[Name, dict[Name, Name]] = Field(default_factory=dict)
    proxies: dict[Name, ProxySpec] = Field(default_factory=dict)
    events: Annotated[tuple[EventSpec, ...], Field(strict=False, max_length=16)] = ()
    baseline: Name
    repeats: Annotated[int, Field(ge=1, le=1000)] = 5
    seed: Annotated[int, Field(ge=0, lt=2**63)] = 1
    limits: Limits = Field(default_factory=Limits)
    load: LoadSpec
    geography: Geography | None = None
    sequences: Annotated[dict[Name, SequenceSpec | TraceSpec], Field(max_length=16)] = Field(default_factory=dict)
    prefill: Annotated[int, Field(ge=0, le=10_000_000)] = 0
    settle_s: SecondsOrZero = 2.0
    validity: Validity = Field(default_factory=Validity)
    quick: dict[str, Any] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _consistent(self) -> Experiment:
        names = [variant.name for variant in self.variants]
        if self.baseline not in names:
            raise ValueError(f"baseline = {self.baseline!r} is not one of the variants: {', '.join(names)}")
        for name, placement in self.placements.items():
            if "default" not in placement:
                raise ValueError(f"placements.{name} needs a default: the target of the services that it does not name")
        if DIRECT in self.proxies:
            raise ValueError(f"proxies.{DIRECT} cannot be set: it means that there is no proxy")
        if self.load.replay is not None and not self.sequences:
            raise ValueError("load.replay replays sequences: give [sequences.NAME]")
        if self.load.replay is None and len(self.sequences) > 1:
            raise ValueError("sequences: give one, or load.replay, which replays each")
        if self.prefill and not self.sequences:
            raise ValueError("prefill is a part of a sequence: give [sequences.NAME]")
        if cold := next((name for name, proxy in self.proxies.items() if proxy.warm and not self.prefill), None):
            raise ValueError(f"proxies.{cold} is warm, but prefill is 0: say how many requests make it so")
        if self.load.replay is not None and self.events:
            raise ValueError("events need a load that goes on: give rates_rps instead of load.replay")
        for name, sequence in self.sequences.items():
            needed = self.prefill + (self.load.replay.requests if self.load.replay is not None else 0)
            if isinstance(sequence, SequenceSpec) and sequence.requests < needed:
                raise ValueError(f"sequences.{name} has {sequence.requests} requests, but {needed} are asked for")
        if self.geography is not None and max(self.matrix.replicas) > 1:
            raise ValueError("geography goes with replicas = [1]: a service stands once, in the region origin")
        if self.image == "":
            raise ValueError(f"workload = {self.workload!r} names no image")
        if "quick" in self.quick:
            raise ValueError("[quick] cannot hold a [quick] of its own")
        if self.image is not None and self.service is None:
            raise ValueError("an image workload needs a [service] table with at least: port = <number>")
        if self.image is None and self.service is not None:
            raise ValueError("[service] belongs to an image workload; a folder's is in its workload.toml")
        return self

    @classmethod
    def of_stored(cls, data: Mapping[str, object]) -> Self:
        """The experiment whose plain data (``model_dump(mode="json")``) is ``data``. Raises ValueError, in one line."""
        try:
            # As JSON: the model is strict, and JSON has neither tuples nor whole numbers apart from fractions.
            return cls.model_validate_json(json.dumps(data))
        except ValidationError as error:
            problem = error.errors()[0]
            where = ".".join(str(part) for part in problem["loc"]) or "experiment"
            raise ValueError(f"{where}: {problem['msg']}") from error

    @property
    def variants(self) -> tuple[Variant, ...]:
        """What is compared, in the order of the file."""
        return self.matrix.variants(self.workload)

    def proxy(self, name: str) -> ProxySpec | None:
        """The proxy of that name; None for ``direct``."""
        return None if name == DIRECT else self.proxies.get(name) or ProxySpec(kind=name)

    def target_of(self, variant: Variant, service: str) -> str:
        """The target that a service of that variant is deployed on; ``proxy`` is the proxy."""
        placement = self.placements.get(variant.target)
        return variant.target if placement is None else placement.get(service, placement["default"])

    def events_of(self, variant: Variant) -> tuple[EventSpec, ...]:
        """The events that happen to that variant, in their order. What happens to a proxy needs one."""
        return tuple(
            event
            for event in self.events
            if (not event.targets or variant.target in event.targets)
            and not (variant.proxy == DIRECT and is_proxy(event.service))
        )

    @property
    def image(self) -> str | None:
        """The local image's name, or None for a workload folder."""
        return self.workload.removeprefix(IMAGE_PREFIX) if self.workload.startswith(IMAGE_PREFIX) else None
