"""How tests speak with the admin API, and the form its errors have."""

from __future__ import annotations

from typing import Any

from jackfield.testing import Called

CHAT = {"model": "echo", "messages": [{"role": "user", "content": "Hello"}]}


def refused(
    called: Called,
    status: int,
    code: str,
    param: str | None = None,
    *,
    changed: bool | None = None,
    plugin: str | None = None,
) -> str:
    """Checks an error and gives its message; `changed` is what the answer to a change says of it, `plugin` the one that
    it is about."""
    assert called.status == status, called.body
    assert called.headers["content-type"] == "application/json"
    assert called.headers["x-request-id"].startswith("req_")
    body: dict[str, Any] = called.json
    assert body.get("changed") is changed
    error = body["error"]
    assert {"message", "type", "code", "param"} == set(error) - {"plugin"}
    assert error.get("plugin") == plugin
    assert (error["code"], error["param"]) == (code, param)
    assert isinstance(error["type"], str)
    return str(error["message"])
