"""Every path of the admin API that is about plugins answers the codes that its description says, and no other."""

from __future__ import annotations

from typing import Any, NamedTuple

from jackfield.testing.gateway import RunningGateway

from .plugins import BROKEN, GREETER, PLUGINS, QUIET, StartGateway, done, put

LONG = "x" * 6000
TAGS = {"plugins", "audit"}


class Call(NamedTuple):
    """`path` as the description writes it; `name` and `query` are what is put into it."""

    method: str
    path: str
    status: int
    body: bytes = b""
    name: str = "quiet"
    query: str = ""
    if_match: str = "*"


TOGGLE, INSTALL, SWAP = f"{PLUGINS}/toggle", f"{PLUGINS}/install", f"{PLUGINS}/hot-swap"
ROLLBACK, INSPECT, CATALOGUE = f"{PLUGINS}/rollback", f"{PLUGINS}/inspect", "/api/v1/catalogue"
ONE, CONFIG, PERMISSIONS = (f"{PLUGINS}/{{name}}{rest}" for rest in ("", "/config", "/permissions"))

CALLS = [
    *(
        Call("GET", path, 200)
        for path in (
            *(PLUGINS, f"{PLUGINS}/stats", ONE, CONFIG, PERMISSIONS, "/api/v1/coverage", "/api/v1/generations"),
            *("/api/plugins/status", "/plugins/status", "/api/v1/audit", "/api/v1/tasks", CATALOGUE),
        )
    ),
    *(Call("GET", path, 404, name="nobody") for path in (ONE, CONFIG, PERMISSIONS)),
    *(Call("GET", path, 422, name=LONG) for path in (ONE, CONFIG, PERMISSIONS)),
    Call("GET", PLUGINS, 404, query="name=nobody"),
    Call("GET", PLUGINS, 422, query=f"name={LONG}"),
    Call("GET", "/api/v1/audit", 422, query="limit=0"),
    Call("GET", CATALOGUE, 422, query=f"q={LONG}"),
    Call("PUT", CONFIG, 200, b"{}"),
    Call("PUT", CONFIG, 400, b"{"),
    Call("PUT", CONFIG, 404, b"{}", "nobody"),
    Call("PUT", CONFIG, 409, b"{}", if_match="999"),
    Call("PUT", CONFIG, 422, b'{"nonsense": 1}'),
    Call("POST", PERMISSIONS, 200, b'{"approve": []}'),
    Call("POST", PERMISSIONS, 400, b"{"),
    Call("POST", PERMISSIONS, 404, b'{"approve": []}', "nobody"),
    Call("POST", PERMISSIONS, 409, b'{"approve": ["storage:read"]}', "waiting"),
    Call("POST", PERMISSIONS, 422, b'{"approve": ["everything"]}'),
    Call("POST", INSTALL, 200, b'{"name": "quiet"}'),
    Call("POST", INSTALL, 400, b"{"),
    Call("POST", INSTALL, 404, b'{"name": "nobody"}'),
    Call("POST", INSTALL, 409, b'{"name": "broken"}'),
    Call("POST", INSTALL, 422, b'{"source": "ftp://example.com"}'),
    Call("POST", INSPECT, 200, b'{"name": "quiet"}'),
    Call("POST", INSPECT, 400, b"{"),
    Call("POST", INSPECT, 404, b'{"name": "nobody"}'),
    Call("POST", INSPECT, 422, b"{}"),
    Call("POST", SWAP, 200, b'{"names": ["quiet"]}'),
    Call("POST", SWAP, 400, b"{"),
    Call("POST", SWAP, 404, b'{"names": ["nobody"]}'),
    Call("POST", SWAP, 409),
    Call("POST", SWAP, 422, b'{"names": 5}'),
    Call("POST", TOGGLE, 200, b'{"name": "quiet", "enabled": false}'),
    Call("POST", TOGGLE, 400, b"{"),
    Call("POST", TOGGLE, 404, b'{"name": "nobody", "enabled": false}'),
    Call("POST", TOGGLE, 409, b'{"name": "broken", "enabled": true}'),
    Call("POST", TOGGLE, 422, b"{}"),
    Call("POST", ROLLBACK, 400, b"{"),
    Call("POST", ROLLBACK, 422, b"[]"),
    Call("DELETE", ONE, 200),
    Call("DELETE", ONE, 404, name="nobody"),
    Call("DELETE", ONE, 409, name="echo"),
    Call("DELETE", ONE, 422, name=LONG),
]


async def test_what_is_described_is_what_is_answered(start_gateway: StartGateway) -> None:
    gateway = await start_gateway(
        plugins={"quiet": QUIET, "broken": BROKEN, "greeter": GREETER}, environ={"JACKFIELD_PLUGINS__APPROVE": "ask"}
    )
    put(gateway, "waiting", BROKEN, jackfield_toml='id = "waiting"\npermissions = ["storage:read"]\n')
    await done(gateway, "hot-swap")
    put(gateway, "greeter", BROKEN)
    for call in CALLS:
        assert (await answered(gateway, call, gateway.admin_key)) == call.status, call
    back = Call("POST", ROLLBACK, 200)
    while (last := await answered(gateway, back, gateway.admin_key)) == back.status:
        pass
    assert last == 409
    told = {(call.method, call.path, call.status) for call in (*CALLS, back, back._replace(status=last))}
    # A sealed file that is refused: test_admin_install shows it.
    told.add(("POST", INSPECT, 409))
    for method, path in {(method, path) for method, path, _ in told}:
        for key, status in (("jf-wrong", 401), (gateway.api_key, 403)):
            assert await answered(gateway, Call(method, path, status), key) == status
            told.add((method, path, status))
    assert told == await described(gateway)


async def answered(gateway: RunningGateway, call: Call, key: str) -> int:
    path = call.path.replace("{name}", call.name) + (f"?{call.query}" if call.query else "")
    async with gateway.caller(key) as caller:
        return (await caller.call(call.method, path, body=call.body, headers={"if-match": call.if_match})).status


async def described(gateway: RunningGateway) -> set[tuple[str, str, int]]:
    document: dict[str, Any] = (await gateway.admin("/api/openapi.json")).json
    return {
        (method.upper(), path, int(status))
        for path, operations in document["paths"].items()
        for method, operation in operations.items()
        if set(operation["tags"]) <= TAGS
        for status in operation["responses"]
    }
