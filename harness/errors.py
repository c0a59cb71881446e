"""The error family: every failure says what happened and what to do about it."""

from __future__ import annotations

from enum import IntEnum
from typing import ClassVar


class ExitCode(IntEnum):
    """The exit codes of ``tare``. Scripts depend on them."""

    OK = 0
    FAILED = 1
    """Finished, but trials failed or a comparison regressed."""
    USAGE = 2
    """The request is wrong: usage or specification."""
    UNAVAILABLE = 3
    """This host lacks what was asked for."""
    INTERRUPTED = 130


class TareError(Exception):
    """A failure that a user can meet: ``what`` happened, and what to do about it (``remedy``), a line each.

    Logs of the thing that failed ride along as notes (``add_note``).
    """

    exit_code: ClassVar[ExitCode] = ExitCode.FAILED

    def __init__(self, what: str, remedy: str) -> None:
        super().__init__(what)
        self.what = what
        self.remedy = remedy

    @property
    def notes(self) -> tuple[str, ...]:
        """The logs and details attached to this failure, oldest first."""
        return tuple(getattr(self, "__notes__", ()))


class SpecError(TareError):
    """The request is wrong: an experiment, a workload or an argument."""

    exit_code = ExitCode.USAGE


class Unavailable(TareError):
    """This host lacks what was asked for."""

    exit_code = ExitCode.UNAVAILABLE


class BuildError(TareError):
    """An artifact or one of its packagings could not be made."""


class DeployError(TareError):
    """An instance could not be launched, or ended when it should not have."""


class NotReady(TareError):
    """An instance did not give its first correct response in time."""


class LoadError(TareError):
    """The load generator failed or could not keep to its schedule."""


class StoreError(TareError):
    """A campaign's folder could not be read or written."""


class WrongFolder(StoreError):
    """The folder that was named is not one for this: it holds no campaign, or holds one already."""

    exit_code = ExitCode.USAGE
