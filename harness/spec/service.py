"""How a service is started, when it counts as ready, and what it may use."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, field_validator

from harness.spec.base import Port, Seconds, SpecModel

UrlPath = Annotated[str, Field(pattern=r"^/[\x21-\x7e]*$", max_length=2048)]


class Readiness(SpecModel):
    """The first correct response: a GET of ``path`` answered with ``status`` and, if given, a matching body.

    ``body`` is compared byte for byte; ``body_contains`` must occur in the body. ``port``: where it is asked, if that
    is not the service's port.
    """

    port: Port | None = None
    path: UrlPath = "/"
    status: Annotated[int, Field(ge=100, le=599)] = 200
    body: str | None = None
    body_contains: str | None = None
    timeout_s: Seconds = 120.0

    def accepts(self, status: int, body: bytes) -> bool:
        """Whether a response is the correct one."""
        if status != self.status:
            return False
        if self.body is not None and body != self.body.encode():
            return False
        return self.body_contains is None or self.body_contains.encode() in body


class Limits(SpecModel):
    """What one instance may use, the same for every target.

    ``cpus`` whole CPUs are pinned cores; a fraction is a share of one pinned core.
    """

    cpus: Annotated[float, Field(gt=0, le=256, strict=False)] = 1.0
    memory_mib: Annotated[int, Field(ge=64, le=1_048_576)] = 512


class ServiceSpec(SpecModel):
    """The ``[service]`` table of a workload. An empty ``argv`` means: what the image's configuration says."""

    argv: tuple[str, ...] = Field(default=(), strict=False)
    env: dict[str, str] = Field(default_factory=dict)
    workdir: str | None = None
    user: str | None = None
    port: Port
    ready: Readiness = Field(default_factory=Readiness)

    @field_validator("argv")
    @classmethod
    def _no_nul(cls, argv: tuple[str, ...]) -> tuple[str, ...]:
        if any("\0" in word for word in argv):
            raise ValueError("an argument must not contain a NUL byte")
        return argv

    @field_validator("workdir")
    @classmethod
    def _absolute(cls, workdir: str | None) -> str | None:
        if workdir is not None and (not workdir.startswith("/") or "\0" in workdir):
            raise ValueError("a path in the instance that begins with / is needed")
        return workdir

    @field_validator("env")
    @classmethod
    def _plain_names(cls, env: dict[str, str]) -> dict[str, str]:
        for key, value in env.items():
            if not key or "=" in key or "\0" in key + value or "\n" in key + value:
                raise ValueError(f"not usable as an environment variable: {key!r}")
        return env


class Exchange(SpecModel):
    """One request and its expected status.

    As a workload's exchange its response must be the same, byte for byte, from every target (claim *portability*).
    """

    path: UrlPath
    method: Annotated[str, Field(pattern="^(GET|POST|PUT)$")] = "GET"
    body: str = ""
    status: Annotated[int, Field(ge=100, le=599)] = 200
