"""The admin API as a whole: who may ask, and what there is."""

from __future__ import annotations

from functools import cache

from fastapi import FastAPI

from jackfield import __version__
from jackfield.control.credentials import Credential
from jackfield.control.directory import Directory
from jackfield.errors import ClientGone, Forbidden, JackfieldError, Unauthenticated
from jackfield.pipeline.identify import presented_key
from jackfield.sdk.outcomes import Headers
from jackfield.server.admin import (
    apps,
    audit,
    catalogue,
    credentials,
    description,
    factory_status,
    memories,
    plugin_changes,
    plugin_config,
    plugin_permissions,
    plugins,
    tasks,
    tools,
    usage,
    users,
)
from jackfield.server.admin.description import DESCRIPTION, DOCS, OPENAPI, Description
from jackfield.server.admin.errors import answer_error, handle_errors
from jackfield.server.admin.services import CALLER, SERVICES, AdminServices
from jackfield.server.asgi import Receive, Scope, Send, read_body, replaying

# They tell how to ask, and nothing of what would be answered.
OPEN = frozenset({DOCS, OPENAPI})
PARTS = (
    usage,
    plugins,
    plugin_changes,
    catalogue,
    plugin_config,
    plugin_permissions,
    factory_status,
    credentials,
    apps,
    users,
    tools,
    tasks,
    memories,
    audit,
    description,
)


class AdminApi:
    """Stands before the routes: nothing of a request is looked at before its key, and no body is read past the limit.
    Bodies are JSON whatever their content type says, and HEAD is GET without the body."""

    def __init__(self, services: AdminServices, max_body_bytes: int) -> None:
        self._directory, self._max_body_bytes = services.directory, max_body_bytes
        self._routes = admin_routes()
        self._given = {SERVICES: services, DESCRIPTION: Description(services.host)}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            caller = None if scope["path"] in OPEN else authorize(scope["headers"], self._directory)
            body = await read_body(scope, receive, self._max_body_bytes, lambda: None)
        except ClientGone:
            return
        except JackfieldError as error:
            await answer_error(scope["method"], error)(scope, receive, send)
            return
        told = {**scope, **self._given, "path": _routed_path(scope), "headers": _as_json(scope["headers"])}
        told[CALLER] = caller
        if scope["method"] == "HEAD":
            told["method"] = "GET"
        await self._routes(told, replaying(body, receive), send)


def _routed_path(scope: Scope) -> str:
    """A plugin's name may hold slashes: what of it is encoded stays so until its route is found."""
    path: str = scope["path"]
    return scope["raw_path"].decode("ascii") if path.startswith(plugins.BELOW) else path


def _as_json(headers: Headers) -> list[tuple[bytes, bytes]]:
    return [*(pair for pair in headers if pair[0] != b"content-type"), (b"content-type", b"application/json")]


def authorize(headers: Headers, directory: Directory) -> Credential:
    """The admin credential of a request. Raises `Unauthenticated` or `Forbidden`."""
    key = presented_key(headers)
    credential = directory.identify(key) if key else None
    if credential is None:
        raise Unauthenticated("The admin API needs an admin key: send it as `Authorization: Bearer …` or `x-api-key`")
    if credential.role != "admin":
        raise Forbidden("This is an inference key; the admin API needs an admin key")
    return credential


@cache
def admin_routes() -> FastAPI:
    """Those of every gateway of this process: what they work on comes with the request."""
    app = FastAPI(
        title="Jackfield admin API",
        description="Every path but this description needs an admin key.",
        version=__version__,
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
    )
    handle_errors(app)
    for part in PARTS:
        app.include_router(part.router)
    app.include_router(plugins.by_name)
    return app
