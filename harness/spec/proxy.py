"""A proxy as an experiment asks for it: which kind, and how it treats the services behind it."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from harness.spec.base import Name, Seconds, SecondsOrZero, Share, SpecModel

DIRECT = "direct"
"""No proxy: the client reaches the services themselves."""

PROXY = "proxy"
"""The instance of a proxy, where there is one; in a geography ``proxy-<region>`` is the one in that region."""

SHIELD = "proxy-shield"
"""The instance that the others ask, and that alone asks the origin."""


def is_proxy(service: str | None) -> bool:
    """Whether that is a name of a proxy's instance, and so of no service of a workload."""
    return service is not None and (service == PROXY or service.startswith(f"{PROXY}-"))


class CacheSpec(SpecModel):
    """How a proxy caches. Proxies that do so take the defaults here where a table leaves them out.

    Its capacity is ``size_mib``, or ``size_share`` of the bytes of the catalogue's objects; the matrix's
    ``cache_shares`` go before both. ``ttl_s``: how long an object is fresh, whatever the origin says (or: as it says).
    ``stale_while_revalidate_s``: so long after that it is still served, while a fresh one is fetched;
    ``stale_if_error_s``: so long it is still served if the origin does not answer. ``collapse``: of several requests
    for one missing object one goes to the origin, and the others wait for its answer.
    """

    policy: Literal["lru", "fifo", "lfuda", "gdsf", "clfus"] = "lru"
    size_mib: Annotated[float, Field(gt=0, le=65_536, strict=False)] = 64.0
    size_share: Share | None = None
    ttl_s: Seconds | None = None
    stale_while_revalidate_s: SecondsOrZero = 0.0
    stale_if_error_s: SecondsOrZero = 0.0
    collapse: bool = True


class ProxySpec(SpecModel):
    """The table ``[proxies.NAME]`` of an experiment. Without one, a proxy's name is its ``kind``, with these defaults.

    ``keepalive``: idle connections kept open to each upstream. ``max_fails`` failures within ``fail_timeout_s`` take an
    upstream out of use for as long (passive health checks). ``tls``: the client speaks TLS to the proxy, with a
    certificate that is made for the campaign, or with ``certificate``: a PEM file, key included, beside the experiment.
    ``check_s`` (where a proxy has active health checks): each upstream is asked for a connection so often, besides.
    ``allow`` (forward proxies): the hosts that clients may reach; without it, those of the workload. ``cache`` (proxies
    that cache): how. ``warm``: whether it is asked for the first ``prefill`` requests of the experiment's
    sequence before the load begins.
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
    cache: CacheSpec | None = None
    warm: bool = False

    @model_validator(mode="after")
    def _certificate_is_used(self) -> Self:
        if self.certificate is not None and not self.tls:
            raise ValueError("a certificate belongs to tls = true")
        return self
