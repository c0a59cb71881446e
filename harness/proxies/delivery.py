"""How a proxy gets its configuration: through its environment, because its artifact's tree must stay as it is.

The shell of the proxy's root file system writes each variable to a file and then becomes the proxy. A variable's line
feeds and backslashes are escaped as ``printf %b`` (POSIX, a builtin of dash) undoes it. What is secret goes the same
way: the proxy itself does not inherit the variables.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence

FOLDER = "/tmp/proxy"
"""In the instance. /tmp is writable by any user on every target."""


def delivered(files: Mapping[str, str], argv: Sequence[str]) -> tuple[tuple[str, ...], dict[str, str]]:
    """The argv and the environment that write ``files`` below ``FOLDER`` and then run ``argv``.

    Nobody but the proxy's user can read them. A file's text is delivered exactly, if it holds no NUL.
    """
    names = {file: f"TARE_FILE_{number}" for number, file in enumerate(files)}
    steps = ["set -eu", "umask 077", f"mkdir -p {FOLDER}"]
    steps += [f'printf %b "${names[file]}" >{shlex.quote(f"{FOLDER}/{file}")}' for file in files]
    steps += [f"unset {' '.join(names.values())}"] if names else []
    steps.append(f"exec {shlex.join(argv)}")
    return ("/bin/sh", "-c", "; ".join(steps)), {names[file]: escaped(text) for file, text in files.items()}


def escaped(text: str) -> str:
    """``text`` on one line, from which ``printf %b`` gives it back."""
    return text.replace("\\", "\\\\").replace("\n", "\\n")
