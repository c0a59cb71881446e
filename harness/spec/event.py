"""What happens to a deployment while it is under load: a service is killed, replaced, restarted or scaled."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from harness.spec.base import Name, Seconds, SecondsOrZero, SpecModel
from harness.spec.proxy import is_proxy
from harness.spec.service import UrlPath


class EventSpec(SpecModel):
    """One event. Events come one after another when the measured window has ended, under the same load.

    It happens to the ``service`` of that name, or to the one that answers ``route`` in each topology. A proxy is
    ``proxy``, its point of presence in a region ``proxy-<region>``; variants without a proxy have no such event.
    ``kill``: it dies
    as by SIGKILL and is started again after ``down_s``, by the orchestrator where there is one; with ``again = false``
    it stays down. ``restart``: it is stopped in order, and started after ``down_s``. ``replace``: a new version takes
    its place. ``scale``: to ``replicas``. The load is watched for ``before_s`` before it and ``watch_s`` from it on.
    ``targets``: only there (none: everywhere).
    """

    kind: Literal["kill", "restart", "replace", "scale"]
    service: Name | None = None
    route: UrlPath | None = None
    replica: Annotated[int, Field(ge=1, le=16)] = 1
    replicas: Annotated[int, Field(ge=1, le=16)] | None = None
    again: bool = True
    down_s: SecondsOrZero = 0.0
    before_s: Seconds = 2.0
    watch_s: Seconds = 6.0
    targets: Annotated[tuple[Name, ...], Field(strict=False)] = ()

    @model_validator(mode="after")
    def _consistent(self) -> EventSpec:
        if (self.service is None) == (self.route is None):
            raise ValueError("give either service or route: what does it happen to?")
        if (self.kind == "scale") != (self.replicas is not None):
            raise ValueError("replicas belongs to an event of kind scale, which needs it")
        if not self.again and self.kind not in ("kill", "restart"):
            raise ValueError("again = false belongs to an event of kind kill or restart")
        if is_proxy(self.service) and self.kind not in ("kill", "restart"):
            raise ValueError(f"{self.kind} does not happen to a proxy: give kill or restart")
        return self

    @property
    def slot_s(self) -> float:
        """How long the load goes on for it, in seconds."""
        return self.before_s + self.watch_s
