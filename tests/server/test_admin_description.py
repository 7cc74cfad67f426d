"""The admin API described: for programs, and for people."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

from jackfield.testing.gateway import RunningGateway

StartGateway = Callable[..., Awaitable[RunningGateway]]

VERBS = {"get", "put", "post", "delete", "patch"}


async def document(gateway: RunningGateway) -> dict[str, Any]:
    async with gateway.caller() as caller:
        caller.drop_header("authorization")
        called = await caller.get("/api/openapi.json")
    assert called.status == 200
    return dict(called.json)


def operations(described: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, item in described["paths"].items():
        for verb, operation in item.items():
            yield verb, path, operation


def references(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        if isinstance(value.get("$ref"), str):
            yield value["$ref"]
        for inner in value.values():
            yield from references(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from references(inner)


async def test_the_document_is_whole(start_gateway: StartGateway) -> None:
    described = await document(await start_gateway())
    assert re.fullmatch(r"3\.1\.\d+", described["openapi"])
    ids = [operation["operationId"] for _, _, operation in operations(described)]
    assert len(ids) == len(set(ids)) > 5
    for verb, path, operation in operations(described):
        assert verb in VERBS
        assert operation["description"], path
        named = {each["name"] for each in operation.get("parameters", ()) if each["in"] == "path"}
        assert named == set(re.findall(r"{(\w+)}", path))
        assert all(told["description"] for told in operation["responses"].values())
        assert operation["security"], path
    for reference in references(described):
        where: Any = described
        for step in reference.removeprefix("#/").split("/"):
            where = where[step]


async def test_every_error_is_described_in_the_form_it_has(start_gateway: StartGateway) -> None:
    described = await document(await start_gateway())
    assert "HTTPValidationError" not in described["components"]["schemas"]
    for _, path, operation in operations(described):
        errors = {status: told for status, told in operation["responses"].items() if status >= "400"}
        assert {"401", "403"} <= set(errors), path
        for told in errors.values():
            assert told["content"]["application/json"]["schema"] == {"$ref": "#/components/schemas/ErrorAnswer"}


async def test_the_page_for_people_names_every_operation_and_loads_nothing(start_gateway: StartGateway) -> None:
    gateway = await start_gateway()
    described = await document(gateway)
    async with gateway.caller() as caller:
        caller.drop_header("authorization")
        called = await caller.get("/api/docs")
    page = called.body.decode()
    assert called.headers["content-type"] == "text/html; charset=utf-8"
    assert "default-src 'none'" in called.headers["content-security-policy"]
    for verb, path, _ in operations(described):
        assert f"<b>{verb.upper()}</b> <code>{path}</code>" in page
    assert not re.search(r"(?:src|href)=[\"'](?!/api/)|https?://|<script|@import|url\(", page)
