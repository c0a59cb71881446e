"""Configurations from templates (jinja2): ``NAME.j2`` beside a proxy's module gives the file ``NAME``.

A name that a template uses and nobody gives is an error, and a line of a block or a comment leaves nothing behind.
Nothing is escaped: what is inserted has been checked (``api``), or is quoted by a function that the proxy gives. What
all proxies must mean alike (``routing``, ``caching``) is known to every template by its constant's name.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from harness.proxies import caching, routing
from harness.proxies.api import LOG_WORD
from harness.proxies.delivery import FOLDER

if TYPE_CHECKING:
    from jinja2 import Environment


def configuration(template: str, **values: object) -> str:
    """The text of ``template``, named by its folder (``nginx/nginx.conf``); its last line ends with a line feed.

    Pure. Raises jinja2's UndefinedError for a value that the template needs and does not get.
    """
    return _environment().get_template(f"{template}.j2").render(values)


@cache
def _environment() -> Environment:
    # A command that renders nothing does not wait for the library.
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("harness", "proxies"),
        autoescape=False,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.globals.update(
        FOLDER=FOLDER,
        LOG_WORD=LOG_WORD,
        CONNECT_S=routing.CONNECT_S,
        ANSWER_S=routing.ANSWER_S,
        CLIENT_IDLE_S=routing.CLIENT_IDLE_S,
        UPSTREAM_IDLE_S=routing.UPSTREAM_IDLE_S,
        TRIES=routing.TRIES,
        CONNECTIONS=routing.CONNECTIONS,
        REQUESTS_PER_CONNECTION=routing.REQUESTS_PER_CONNECTION,
        HOST=caching.HOST,
        CLAIMS_OF_HOST=caching.CLAIMS_OF_HOST,
        STORABLE=caching.STORABLE,
        FORBIDS=caching.FORBIDS,
    )
    return environment
