"""A catalogue of objects, and a seeded sequence of requests for them, as a file or a command line asks for it."""

from __future__ import annotations

import math
from typing import Annotated, Self

from pydantic import Field, model_validator

from harness.spec.base import SpecModel

Part = Annotated[float, Field(ge=0, lt=1, strict=False)]

SURGE_MU = 9.357
SURGE_SIGMA = 1.318
"""Sizes of web files, in natural logarithms of bytes: the log-normal body of SURGE (Barford & Crovella, SIGMETRICS '98,
"Generating Representative Web Workloads for Network and Server Performance Evaluation"). Median 11.6 kB, mean 27.6 kB.
SURGE's Pareto tail above 133 kB is left out: a handful of huge objects would decide every byte miss ratio."""


class ObjectSizes(SpecModel):
    """The size of every object: ``size_bytes``, or without it a log-normal size of its own, by default as published.

    It depends on the object's number and these keys alone (harness.simulation.sequences.object_sizes).
    """

    seed: Annotated[int, Field(ge=0, lt=2**63)] = 1
    size_bytes: Annotated[int, Field(ge=1, lt=2**32)] | None = None
    size_mu: Annotated[float, Field(ge=0, le=21, strict=False)] = SURGE_MU
    size_sigma: Annotated[float, Field(ge=0, le=4, strict=False)] = SURGE_SIGMA

    @property
    def mean_bytes(self) -> float:
        """The mean of the sizes' distribution: exp(mu + sigma²/2) where it is log-normal."""
        return self.size_bytes or math.exp(self.size_mu + self.size_sigma**2 / 2)


class CatalogueSpec(ObjectSizes):
    """The ``[catalogue]`` of a workload: the objects that its origin has, numbered from 0, and their sizes."""

    objects: Annotated[int, Field(ge=1, le=10_000_000)] = 100_000


class SequenceSpec(ObjectSizes):
    """Requests for the ``objects`` of a catalogue, popular by Zipf's law: the k-th weighs k to the -``exponent``.

    ``wonders``: the share of requests that ask for an object which nobody asks for again. ``scans``: the share of
    requests that belong to bursts, each of ``scan_length`` objects in the catalogue's order. ``drift``: the share of
    the catalogue that exchanges its ranks every ``drift_every`` requests. The sizes count where the sequence is
    simulated by itself: mapped onto a workload's catalogue, every object has the size that it has there.
    """

    requests: Annotated[int, Field(ge=1, le=10_000_000_000)]
    objects: Annotated[int, Field(ge=1, le=200_000_000)]
    exponent: Annotated[float, Field(ge=0, le=5, strict=False)]
    wonders: Part = 0.0
    scans: Part = 0.0
    scan_length: Annotated[int, Field(ge=1, le=100_000_000)] = 1000
    drift: Part = 0.0
    drift_every: Annotated[int, Field(ge=1)] = 100_000

    @model_validator(mode="after")
    def _a_scan_fits(self) -> Self:
        if self.scans and self.scan_length > self.objects:
            raise ValueError(f"scan_length is {self.scan_length}, more than there are objects ({self.objects})")
        return self


class TraceSpec(SpecModel):
    """A trace file as a sequence: its k-th different object becomes the k-th of the catalogue, with that one's size.

    ``trace`` is a path that begins at the experiment's folder; ``format`` as for ``tare cache simulate`` (none: by the
    file's name). More than ``max_bad`` bad records are refused.
    """

    trace: Annotated[str, Field(min_length=1, max_length=4096)]
    format: str | None = None
    max_bad: Annotated[int, Field(ge=0)] = 0
