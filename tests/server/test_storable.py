"""Values that JSON as it is read allows, and JSON does not."""

from __future__ import annotations

import json
from typing import Any

import pytest

from jackfield.errors import Unprocessable
from jackfield.server.admin.storable import DEEPEST, check_storable

from .admin import refused
from .plugins import PLUGINS, QUIET, StartGateway, generation

UNSTORABLE = [
    (float("nan"), ""),
    (float("inf"), ""),
    (-(2**63) - 1, ""),
    (2**64, ""),
    ("\ud800", ""),
    ({"\udfff": 1}, r".\udfff"),
    ([0, [1, float("nan")]], ".1.1"),
    ({"b": {"c": "x\ud83d"}}, ".b.c"),
]


@pytest.mark.parametrize(("value", "below"), UNSTORABLE)
def test_what_cannot_be_kept_is_named(value: Any, below: str) -> None:
    with pytest.raises(Unprocessable) as wrong:
        check_storable({"good": 1, "a": value})
    assert wrong.value.param == f"a{below}"


def test_what_is_too_deep_is_refused() -> None:
    deep: Any = 0
    for _ in range(DEEPEST + 1):
        deep = [deep]
    with pytest.raises(Unprocessable, match="nested deeper"):
        check_storable({"a": deep})


@pytest.mark.parametrize("value", [None, True, 0, -(2**63), 2**64 - 1, -0.0, 1.5, "", "\U0001f600", [], {"": [{}]}])
def test_all_else_is_kept(value: Any) -> None:
    check_storable({"a": value})
    assert json.loads(json.dumps({"a": value})) == {"a": value}


@pytest.mark.parametrize("text", [b"NaN", b"1e999", b'"\\ud800"', b"1" + b"0" * 400, b"[" * 100 + b"]" * 100])
async def test_a_config_with_such_a_value_is_refused(start_gateway: StartGateway, text: bytes) -> None:
    gateway = await start_gateway(plugins={"quiet": QUIET})
    async with gateway.caller(gateway.admin_key) as caller:
        called = await caller.call("PUT", f"{PLUGINS}/quiet/config", body=b'{"greeting": %b}' % text)
    assert refused(called, 422, "unprocessable", json_param(called.json), changed=False)
    assert await generation(gateway) == 1


def json_param(body: dict[str, Any]) -> str:
    param = str(body["error"]["param"])
    assert param.startswith("greeting")
    return param
