"""The hook ``before_load`` of a locustfile: it makes what the load needs, neither recorded nor measured."""

from __future__ import annotations

import random
from typing import Any

from harness.errors import LoadError
from harness.load.client.http import ExchangeFailed, Response
from harness.load.client.session import Session
from harness.load.recorder import Outcome

_REMEDY = "look at before_load in the locustfile, and at the service's log lines"


class StrictSink:
    """Records nothing, and lets no answer pass that was not expected."""

    def answered(self, name: str, response: Response, outcome: Outcome, problem: str) -> None:
        if outcome is not Outcome.OK:
            start = " ".join(response.body[:200].decode("utf-8", "replace").split())
            raise LoadError(f"before the load: {name}: {problem} (answer: {start})", _REMEDY)

    def failed(self, name: str, failure: ExchangeFailed) -> None:
        raise LoadError(f"before the load: {name}: {failure.what}", _REMEDY) from failure


def run_before_load(user_class: Any, client: Session, seed: int) -> None:
    """Run the hook of ``user_class`` once, with random numbers that are not the load's, and close ``client``.

    That is to have a StrictSink. Raises LoadError for whatever the hook raises, and so for an answer that it did not
    expect.
    """
    try:
        # Not the load's own sequence, whose first draws would otherwise be the same.
        user_class.before_load(client, random.Random(f"before the load {seed}"))
    except LoadError:
        raise
    except Exception as error:
        # The hook is the user's code: whatever it raises ends the run in order.
        raise LoadError(f"before the load: before_load raised {error!r}", _REMEDY) from error
    finally:
        client.close()
