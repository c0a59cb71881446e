"""The locustfile for a service that brings none: GET one path, expect one status and, if given, one body."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

from locust import task

from harness.load.client.http import Response
from harness.load.plan.load_plan import PLAN_ENV, LoadPlan
from harness.load.worker.user import HttpUser

_TASKS = LoadPlan.from_json(Path(os.environ[PLAN_ENV]).read_text()).tasks


def _same_body(response: Response) -> bool:
    return hashlib.sha256(response.body).hexdigest() == _TASKS.body_sha256


_CHECK = _same_body if _TASKS.body_sha256 else None


class GetUser(HttpUser):
    """One task: the plan's own GET."""

    @task
    def get(self) -> None:
        self.client.get(_TASKS.path, expect_status=_TASKS.status, check=_CHECK)
