"""The admin API, described at `/api/docs`. Imported when it is first asked for: FastAPI is slow to import."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Annotated, Any, Literal

import msgspec
from fastapi import Depends, FastAPI, Query, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from pydantic import BaseModel, ConfigDict

from jackfield import __version__
from jackfield.control.credentials import Credential, Credentials
from jackfield.control.directory import Directory
from jackfield.control.usage import PARAMETERS, UsageHistory, UsageQuery
from jackfield.errors import Forbidden, JackfieldError, NotFound, Unauthenticated
from jackfield.host.host import Host
from jackfield.host.snapshot import LoadedPlugin
from jackfield.pipeline.coverage import coverage
from jackfield.pipeline.identify import presented_key
from jackfield.stores.traces import Traces

USAGE_PARAMETERS = {
    "parameters": [
        {"name": name, "in": "query", "required": False, "schema": {"type": "string"}} for name in PARAMETERS
    ]
}


class AdminServices(msgspec.Struct, frozen=True):
    directory: Directory
    credentials: Credentials
    usage: UsageHistory
    traces: Traces
    host: Host
    flush: Callable[[], Awaitable[bool]]


class NewCredential(BaseModel):
    model_config = ConfigDict(extra="forbid")

    name: str | None = None
    role: Literal["inference", "admin"] = "inference"
    app: str | None = None
    expires_at: float | None = None
    models: tuple[str, ...] = ()


def build_admin(services: AdminServices) -> FastAPI:
    app = FastAPI(
        title="Jackfield admin API",
        version=__version__,
        docs_url="/api/docs",
        redoc_url=None,
        openapi_url="/api/openapi.json",
    )
    app.add_exception_handler(JackfieldError, _tell)
    app.add_exception_handler(RequestValidationError, _tell_invalid)
    app.add_exception_handler(404, _tell_missing)

    async def admin(request: Request) -> None:
        request.state.actor = authorize(request, services.directory).id

    app.state.admin = admin
    _add_usage(app, services, admin)
    _add_plugins(app, services, admin)
    _add_credentials(app, services, admin)
    return app


def authorize(request: Request, directory: Directory) -> Credential:
    """The admin credential of a request. Raises `Unauthenticated` or `Forbidden`."""
    key = presented_key(tuple(request.headers.raw))
    credential = directory.identify(key) if key else None
    if credential is None:
        raise Unauthenticated("The admin API needs an admin key: send it as `Authorization: Bearer …` or `x-api-key`")
    if credential.role != "admin":
        raise Forbidden("This is an inference key; the admin API needs an admin key")
    return credential


Guard = Callable[[Request], Awaitable[None]]


def _add_usage(app: FastAPI, services: AdminServices, admin: Guard) -> None:
    @app.get("/api/v1/usage", tags=["usage"], dependencies=[Depends(admin)], openapi_extra=USAGE_PARAMETERS)
    async def usage(request: Request) -> dict[str, Any]:
        """Usage records, newest first, or sums where `group_by` is given. `totals` sums all that the filters leave."""
        query = UsageQuery.parse(dict(request.query_params))
        await services.flush()
        totals = (await services.usage.sums(msgspec.structs.replace(query, group_by=()))).groups
        return {"totals": totals[0] if totals else {}} | await services.usage.answer(query)

    @app.get("/api/v1/traces", tags=["usage"], dependencies=[Depends(admin)])
    async def traces(limit: Annotated[int, Query(ge=1, le=100)] = 100) -> Response:
        """The last exchanges over all workers, newest first, phase by phase and plugin by plugin."""
        await services.flush()
        body = msgspec.json.encode({"data": await services.traces.latest(limit)})
        return Response(body, media_type="application/json")


def _add_plugins(app: FastAPI, services: AdminServices, admin: Guard) -> None:
    @app.get("/api/v1/plugins", tags=["plugins"], dependencies=[Depends(admin)])
    async def plugins() -> dict[str, Any]:
        """Every known plugin, disabled and failed ones too."""
        snapshot = services.host.snapshot
        known = [describe_plugin(services.host, plugin) for plugin in snapshot.plugins.values()]
        return {"plugins": known, "generation": snapshot.generation}

    @app.get("/api/v1/plugins/{name}", tags=["plugins"], dependencies=[Depends(admin)])
    async def plugin(name: str) -> dict[str, Any]:
        found = services.host.snapshot.plugins.get(name)
        if found is None:
            raise NotFound(f"There is no plugin {name[:100]!r}")
        return describe_plugin(services.host, found)

    @app.get("/api/v1/coverage", tags=["plugins"], dependencies=[Depends(admin)])
    async def covered() -> dict[str, Any]:
        """Which plugin sees which operation at which hook point, streamed and not."""
        return {"data": coverage(services.host.snapshot.table)}


def describe_plugin(host: Host, plugin: LoadedPlugin) -> dict[str, Any]:
    hooks = [
        {
            "hook": hook.name,
            "point": hook.point.name,
            "priority": hook.priority,
            "timeout_ms": hook.deadline_s * 1000,
            "on_failure": "closed" if hook.closed else "open",
            "operations": hook.spec.operations,
        }
        for hook in host.snapshot.table.hooks
        if hook.plugin == plugin.id
    ]
    quarantined = plugin.instance is not None and plugin.guard.breaker.state != "closed"
    return {
        "id": plugin.id,
        "name": plugin.id,
        "version": plugin.version,
        "dialect": plugin.dialect,
        "runtime": "inprocess",
        "source": plugin.source,
        "state": "quarantined" if quarantined else plugin.state,
        "reason": plugin.guard.stats.last_error if quarantined else plugin.reason,
        "hooks": hooks,
        "stats": plugin.guard.stats.report(),
        "generation": host.snapshot.generation,
    }


def _add_credentials(app: FastAPI, services: AdminServices, admin: Guard) -> None:
    @app.get("/api/v1/credentials", tags=["credentials"], dependencies=[Depends(admin)])
    async def list_credentials() -> dict[str, Any]:
        """All keys, revoked ones too; never the keys themselves."""
        return {"data": [_shown(credential) for credential in await services.credentials.list()]}

    @app.post("/api/v1/credentials", status_code=201, tags=["credentials"], dependencies=[Depends(admin)])
    async def create_credential(new: NewCredential, request: Request) -> dict[str, Any]:
        """Makes a key. `key` in the answer is the only time it is shown."""
        issued = await services.credentials.create(**new.model_dump(), actor=request.state.actor)
        await services.directory.refresh()
        return _shown(issued.credential) | {"key": issued.text}

    @app.delete("/api/v1/credentials/{name}", tags=["credentials"], dependencies=[Depends(admin)])
    async def revoke_credential(name: str, request: Request) -> dict[str, Any]:
        """Revokes a key, by id or name; here at once, in other workers within half a second."""
        revoked = await services.credentials.revoke(name, actor=request.state.actor)
        await services.directory.refresh()
        return _shown(revoked)


def _shown(credential: Credential) -> dict[str, Any]:
    shown: dict[str, Any] = msgspec.to_builtins(credential)
    return shown


def error_body(status: int, code: str, message: str, param: str | None = None) -> JSONResponse:
    kind = "invalid_request_error" if status < 500 else "server_error"
    error = {"message": message, "type": kind, "code": code, "param": param, "plugin": None}
    return JSONResponse({"error": error}, status)


async def _tell(request: Request, error: Exception) -> Response:
    assert isinstance(error, JackfieldError)
    return error_body(error.status, error.code, error.message, error.param)


async def _tell_invalid(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    first = error.errors()[0]
    field = ".".join(str(part) for part in first["loc"])
    return error_body(422, "unprocessable", f"{field}: {first['msg']}", field)


async def _tell_missing(request: Request, error: Exception) -> Response:
    return error_body(404, "not_found", f"There is nothing at {request.url.path[:200]}")
