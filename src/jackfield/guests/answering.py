"""What a guest may ask of the services, by `<service>.<method>`: a closed table. Permissions, users, quotas and bounds
are checked by the services themselves, for the caller of the call that it came out of."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime
from types import MappingProxyType
from typing import Any

import msgspec

from jackfield.guests.registered import Registered
from jackfield.sdk.services import Services
from jackfield.sdk.sign_in import CredentialHeader

_ABSENT = object()

Answer = Callable[[Services, Registered, Mapping[str, Any]], Awaitable[Any]]


async def answer(services: Services, registered: Registered, method: str, params: Any) -> Any:
    """Plain values. Raises what the service raises, and `ValueError` for what there is none of."""
    found = _METHODS.get(method)
    if found is None:
        raise ValueError(f"there is no service {method!r:.100}")
    given = params if isinstance(params, Mapping) else {}
    try:
        told = await found(services, registered, given)
    except TypeError as error:
        raise ValueError(f"{method}: {error}") from error
    return msgspec.to_builtins(told, builtin_types=(bytes, datetime))


def _of(service: str, verb: str) -> Answer:
    async def call(services: Services, registered: Registered, given: Mapping[str, Any]) -> Any:
        return await getattr(getattr(services, service), verb)(**given)

    return call


async def _get(services: Services, registered: Registered, given: Mapping[str, Any]) -> Any:
    """`{"value"}`, so that a stored null is not taken for nothing."""
    found = await services.kv.get(**{**given, "default": _ABSENT})
    return None if found is _ABSENT else {"value": found}


async def _schedule(services: Services, registered: Registered, given: Mapping[str, Any]) -> str:
    return await registered.schedule(**given)


async def _mount(services: Services, registered: Registered, given: Mapping[str, Any]) -> Any:
    tools = await services.mcp.mount(**given)
    return {"tools": tools, "mounted": services.mcp.mounted()}


async def _unmount(services: Services, registered: Registered, given: Mapping[str, Any]) -> Any:
    await services.mcp.unmount(**given)
    return {"mounted": services.mcp.mounted()}


async def _report(services: Services, registered: Registered, given: Mapping[str, Any]) -> bool:
    """Of a header that it was given before: which account's, and which of its tokens."""
    told = dict(given)
    used = CredentialHeader(name="", value="", account=str(told.pop("account", "")), issue=told.pop("issue", 0))
    return await services.credentials.report(used, **told)


_PLAIN = (
    *(("kv", verb) for verb in ("set", "delete", "list", "clear", "increment", "compare_and_set")),
    ("http", "request"),
    *(("scheduler", verb) for verb in ("cancel", "list")),
    *(("memory", verb) for verb in ("search", "create")),
    *(("users", verb) for verb in ("get", "preferences")),
    *(("usage", verb) for verb in ("query", "percentiles", "prices")),
    ("credentials", "header"),
    ("tools", "execute"),
)
_METHODS: Mapping[str, Answer] = MappingProxyType(
    {f"{service}.{verb}": _of(service, verb) for service, verb in _PLAIN}
    | {"kv.get": _get, "scheduler.schedule": _schedule, "mcp.mount": _mount, "mcp.unmount": _unmount}
    | {"credentials.report": _report}
)
