"""Who may use the admin API, and what it makes of bodies."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest
from structlog.testing import capture_logs

from jackfield.testing.gateway import RunningGateway

from .admin import refused

StartGateway = Callable[..., Awaitable[RunningGateway]]

PATHS = [
    ("GET", "/api/v1/usage"),
    ("GET", "/api/v1/traces"),
    ("GET", "/api/v1/plugins"),
    ("GET", "/api/v1/plugins/echo"),
    ("GET", "/api/v1/plugins/echo/config"),
    ("PUT", "/api/v1/plugins/echo/config"),
    ("POST", "/api/v1/plugins/echo/permissions"),
    ("POST", "/api/v1/plugins/hot-swap"),
    ("POST", "/api/v1/plugins/install"),
    ("POST", "/api/v1/plugins/rollback"),
    ("POST", "/api/v1/plugins/toggle"),
    ("DELETE", "/api/v1/plugins/echo"),
    ("GET", "/api/v1/generations"),
    ("GET", "/api/v1/audit"),
    ("GET", "/api/v1/coverage"),
    ("GET", "/api/v1/credentials"),
    ("POST", "/api/v1/credentials"),
    ("DELETE", "/api/v1/credentials/key_1"),
    ("GET", "/api/v1/nothing"),
]


@pytest.mark.parametrize(("method", "path"), PATHS)
async def test_without_an_admin_key_nothing_is_told(start_gateway: StartGateway, method: str, path: str) -> None:
    gateway = await start_gateway()
    changed = None if method == "GET" else False
    async with gateway.caller() as caller:
        assert "inference key" in refused(await caller.call(method, path), 403, "forbidden", changed=changed)
        wrong = {"authorization": "Bearer jf-wrong"}
        refused(await caller.call(method, path, headers=wrong), 401, "invalid_api_key", changed=changed)
        caller.drop_header("authorization")
        refused(await caller.call(method, path, body=b"{nonsense"), 401, "invalid_api_key", changed=changed)


async def test_a_key_may_come_in_either_header(start_gateway: StartGateway) -> None:
    gateway = await start_gateway()
    async with gateway.caller() as caller:
        caller.drop_header("authorization")
        assert (await caller.get("/api/v1/usage", x_api_key=gateway.admin_key)).status == 200


@pytest.mark.parametrize("content_type", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", ""])
async def test_bodies_are_json_whatever_they_are_called(start_gateway: StartGateway, content_type: str) -> None:
    gateway = await start_gateway()
    async with gateway.caller(gateway.admin_key) as caller:
        called = await caller.post("/api/v1/credentials", {"name": "new"}, content_type=content_type)
    assert called.status == 201, called.body


@pytest.mark.parametrize("body", [b"{", b"{]", b"\xff\xfe", b"name=new", b'{"name": "a"} {}', b"[" * 100_000])
async def test_what_is_not_json_is_malformed(start_gateway: StartGateway, body: bytes) -> None:
    gateway = await start_gateway()
    async with gateway.caller(gateway.admin_key) as caller:
        called = await caller.post("/api/v1/credentials", body)
    assert refused(called, 400, "invalid_request_error", changed=False).startswith("The body is not JSON")


@pytest.mark.parametrize(
    ("body", "param"),
    [
        (b"", None),
        (b"null", None),
        (b"[]", None),
        (b'{"nmae": "x"}', "nmae"),
        (b'{"role": "root"}', "role"),
        (b'{"name": 5}', "name"),
        (b'{"name": ""}', "name"),
        (b'{"name": "\\ud800"}', "name"),
        (b'{"models": ["a", 1]}', "models.1"),
        (b'{"models": "gpt"}', "models"),
        (b'{"expires_at": NaN}', "expires_at"),
        (b'{"expires_at": 1}', "expires_at"),
    ],
)
async def test_a_wrong_field_is_named_and_nothing_is_changed(
    start_gateway: StartGateway, body: bytes, param: str | None
) -> None:
    gateway = await start_gateway()
    before = (await gateway.admin("/api/v1/credentials")).json
    async with gateway.caller(gateway.admin_key) as caller:
        message = refused(await caller.post("/api/v1/credentials", body), 422, "unprocessable", param, changed=False)
    assert param is None or param in message or "expired" in message
    assert (await gateway.admin("/api/v1/credentials")).json == before


async def test_a_body_larger_than_the_limit_is_refused(start_gateway: StartGateway) -> None:
    gateway = await start_gateway(server={"max_body_mb": 0.01})
    async with gateway.caller(gateway.admin_key) as caller:
        called = await caller.post("/api/v1/credentials", b"[" * 20_000)
    refused(called, 413, "request_too_large", changed=False)


async def test_a_fault_is_told_as_such_and_no_more(
    start_gateway: StartGateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    gateway = await start_gateway()

    async def broken(*_: object) -> None:
        raise RuntimeError("the innermost secret")

    monkeypatch.setattr("jackfield.control.credentials.Credentials.list", broken)
    with capture_logs() as logs:
        called = await gateway.admin("/api/v1/credentials")
    assert "secret" not in refused(called, 500, "internal_error")
    (entry,) = [entry for entry in logs if entry["event"] == "internal_error"]
    assert entry["request"] == called.headers["x-request-id"]
