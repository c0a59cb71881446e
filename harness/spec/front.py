"""A front as an experiment asks for it: which proxy, and how it treats the services behind it."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from harness.spec.base import Name, Seconds, SpecModel

DIRECT = "direct"
"""No front: the client reaches the services themselves."""


class FrontSpec(SpecModel):
    """The table ``[fronts.NAME]`` of an experiment. Without one, a front's name is its ``kind``, with these defaults.

    ``keepalive``: idle connections kept open to each upstream. ``max_fails`` failures within ``fail_timeout_s`` take an
    upstream out of use for as long (passive health checks). ``tls``: the client speaks TLS to the front, with a
    certificate that is made for the campaign, or with ``certificate``: a PEM file, key included, beside the experiment.
    ``check_s`` (where a proxy has active health checks): each upstream is asked for a connection so often, besides.
    ``allow`` (forward proxies): the hosts that clients may reach; without it, those of the workload.
    """

    kind: Name
    balance: Literal["round-robin", "least-connections"] = "round-robin"
    keepalive: Annotated[int, Field(ge=0, le=1024)] = 32
    max_fails: Annotated[int, Field(ge=0, le=100)] = 1
    fail_timeout_s: Seconds = 5.0
    check_s: Seconds | None = None
    tls: bool = False
    certificate: str | None = None
    allow: Annotated[tuple[str, ...], Field(strict=False)] = ()

    @model_validator(mode="after")
    def _certificate_is_used(self) -> Self:
        if self.certificate is not None and not self.tls:
            raise ValueError("a certificate belongs to tls = true")
        return self
