"""Requests made up from ``openapi.yaml``, right and wrong ones, and their answers held against it."""

from __future__ import annotations

from typing import Any

import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis import Case, GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.config import GenerationConfig, ProjectConfig, ProjectsConfig, SchemathesisConfig
from schemathesis.core.result import Ok
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    negative_data_rejection,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
    unsupported_method,
)

from tests.support.shop import FOLDER
from tests.support.shop_at import ShopAt
from tests.support.shop_suite import anew

ANSWER_CHECKS = [
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
CHECKS = [*ANSWER_CHECKS, not_a_server_error, negative_data_rejection, unsupported_method]
POSTS = ("POST /auth/register", "POST /auth/login", "POST /payments")
EXAMPLES = 25
"""For each operation and mode."""

_GENERATION = GenerationConfig(modes=list(GenerationMode), allow_extra_parameters=False, deterministic=True)
SCHEMA = schemathesis.openapi.from_path(
    FOLDER / "openapi.yaml",
    config=SchemathesisConfig(projects=ProjectsConfig(default=ProjectConfig(generation=_GENERATION))),
)
OPERATIONS = {found.ok().label: found.ok() for found in SCHEMA.get_all_operations() if isinstance(found, Ok)}
MODES = [
    (label, mode)
    for label, operation in OPERATIONS.items()
    for mode in GenerationMode
    if mode.is_positive or list(operation.iter_parameters()) or operation.body
]
"""Every operation with right requests, and with wrong ones where there is anything to be wrong."""


def answers_are_as_documented(shop: ShopAt, label: str, mode: GenerationMode, token: str) -> None:
    """Send made-up requests of one operation (``POST /payments``), and fail for the first answer that is not allowed.

    With ``token`` wherever an operation asks for one.
    """
    operation = OPERATIONS[label]
    headers = {"authorization": f"Bearer {token}"}

    @settings(
        max_examples=EXAMPLES, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck)
    )
    @given(case=operation.as_strategy(generation_mode=mode))
    def one(case: Case[Any]) -> None:
        case.call_and_validate(base_url=shop.base(operation.path), headers=headers, checks=CHECKS)

    one()


def every_documented_status_is_met(shop: ShopAt) -> None:
    """Provoke each status that the document names, but 503, and hold each answer against the document."""
    token, key, name = shop.token(anew("reader")), anew("order"), anew("member")
    order = shop.pay(token, key, (1, 1)).json()["id"]
    big, basket, user = b" " * 70_000, {"items": [{"id": 1, "quantity": 1}]}, {"name": name, "password": "long enough"}
    paid = {"token": token, "key": key}
    table: list[tuple[str, str, int, dict[str, Any]]] = [
        *((f"GET /{function}/health", "", 200, {}) for function in ("auth", "catalog", "payments")),
        ("POST /auth/register", "", 201, {"body": user}),
        ("POST /auth/register", "", 409, {"body": {**user, "password": "another one"}}),
        ("POST /auth/login", "", 200, {"body": user}),
        ("POST /auth/login", "", 401, {"body": {**user, "password": "another one"}}),
        *((label, "", 400, {"content": b"{", **paid}) for label in POSTS),
        *((label, "", 413, {"content": big, **paid}) for label in POSTS),
        *((label, "", 422, {"body": {}, **paid}) for label in POSTS),
        ("GET /catalog/items", "?page=2", 200, {}),
        ("GET /catalog/items", "?page=0", 422, {}),
        *((f"GET /catalog/items/{{id}}{part}", path, status, {})
          for part in ("", "/stock") for path, status in (("1", 200), ("1001", 404), ("x", 422))),
        ("GET /catalog/prices", "?ids=1,2", 200, {}),
        ("GET /catalog/prices", "?ids=", 422, {}),
        ("GET /catalog/events", "?last=5", 200, {}),
        ("GET /catalog/events", "?last=x", 422, {}),
        ("POST /payments", "", 201, {"body": basket, **paid}),
        ("POST /payments", "", 409, {"body": {"items": [{"id": 1, "quantity": 2}]}, **paid}),
        ("POST /payments", "", 401, {"body": basket, "key": key}),
        ("GET /payments/{id}", order, 200, {"token": token}),
        ("GET /payments/{id}", order, 401, {}),
        ("GET /payments/{id}", "0" * 32, 404, {"token": token}),
        ("GET /payments/outbox", "", 200, {}),
    ]  # fmt: skip
    for label, given_, status, sent in table:
        method, _, path = label.partition(" ")
        url = path.replace("{id}", given_) if "{id}" in path else path + given_
        answer = shop.call(method, url, **sent)
        assert answer.status_code == status, (label, url, answer.text)
        case = OPERATIONS[label].Case(path_parameters={"id": given_} if "{id}" in path else {})
        case.validate_response(answer, checks=ANSWER_CHECKS)
    met = {(label, str(status)) for label, _, status, _ in table}
    documented = {(label, status) for label, operation in OPERATIONS.items() for status in _statuses(operation)}
    assert {pair for pair in documented if pair[1] != "503"} == met


def _statuses(operation: Any) -> list[str]:
    return [status for status, _ in operation.responses.items()]
