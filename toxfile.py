"""What tox itself has no setting for: one folder for several environments that hold the same packages.

tox keeps an environment's name beside it and makes it anew when another name asks for the same folder. Here the name is
left out, so what decides is what is installed: the dependencies, which all environments that share a folder have alike.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tox.plugin import impl
from tox.tox_env.api import ToxEnv
from tox.tox_env.info import Info
from tox.tox_env.register import ToxEnvRegister
from tox_uv._run import UvVenvRunner


class NamelessInfo(Info):
    """What tox remembers of an environment, but for its name."""

    @contextmanager
    def compare(self, value: Any, section: str, sub_section: str | None = None) -> Iterator[tuple[bool, Any | None]]:
        known = {**value, "name": "shared"} if section == ToxEnv.__name__ else value
        with super().compare(known, section, sub_section) as found:
            yield found


class SharedRunner(UvVenvRunner):
    """The runner ``shared``: uv's, for environments of one ``env_dir``."""

    @staticmethod
    def id() -> str:
        return "shared"

    @property
    def cache(self) -> Info:
        return NamelessInfo(self.env_dir)


@impl
def tox_register_tox_env(register: ToxEnvRegister) -> None:
    register.add_run_env(SharedRunner)
