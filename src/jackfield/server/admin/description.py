"""The description of all there is to ask beside inference: the admin API, and the paths of plugins."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import Any

import msgspec
from fastapi import APIRouter, FastAPI, Request
from fastapi.openapi.utils import get_openapi
from fastapi.responses import HTMLResponse, JSONResponse

from jackfield.host.aside import run_aside
from jackfield.host.host import Host
from jackfield.host.paths import Mounted, slug_of
from jackfield.host.snapshot import Snapshot
from jackfield.server.admin import page

DOCS, OPENAPI = "/api/docs", "/api/openapi.json"
# Where in a request's scope the description stands that belongs to the gateway.
DESCRIPTION = "jackfield.description"

LONGEST_S = 60.0

_SCHEMAS = "#/components/schemas/"
KEY = "key"
_SCHEME = {"type": "http", "scheme": "bearer", "description": "A key of the gateway; `x-api-key` does as well"}


router = APIRouter(include_in_schema=False)


@router.get(OPENAPI)
async def openapi(request: Request) -> JSONResponse:
    return JSONResponse(await _document(request))


@router.get(DOCS)
async def docs(request: Request) -> HTMLResponse:
    return HTMLResponse(page.describe(await _document(request)), headers=page.HEADERS)


async def _document(request: Request) -> dict[str, Any]:
    description: Description = request.scope[DESCRIPTION]
    return await description.document(request.app)


class Description:
    """Made anew when the plugins have changed: it costs more than strangers may ask for again and again. Requests are
    served while it is made."""

    def __init__(self, host: Host) -> None:
        self._host = host
        self._made: tuple[int, dict[str, Any]] | None = None
        self._making = asyncio.Lock()

    async def document(self, app: FastAPI) -> dict[str, Any]:
        async with self._making:
            snapshot = self._host.snapshot
            if self._made is None or self._made[0] != snapshot.generation:
                self._made = (snapshot.generation, await run_aside(partial(_describe, app, snapshot), LONGEST_S))
            return self._made[1]


def _describe(app: FastAPI, snapshot: Snapshot) -> dict[str, Any]:
    own = app.openapi()
    paths, schemas = dict(own["paths"]), dict(own.get("components", {}).get("schemas", {}))
    for plugin in snapshot.plugins.values():
        for mounted in plugin.paths:
            found = _describe_mounted(plugin.id, mounted)
            paths |= found.get("paths", {})
            schemas |= found.get("components", {}).get("schemas", {})
    components = {**own.get("components", {}), "schemas": schemas}
    if snapshot.serves_paths:
        components["securitySchemes"] = {**components.get("securitySchemes", {}), KEY: _SCHEME}
    return {**own, "paths": paths, "components": components}


def _describe_mounted(plugin_id: str, mounted: Mounted) -> dict[str, Any]:
    """Schemas bear the plugin's name: two plugins may call theirs alike."""
    made = get_openapi(title=plugin_id, version="0", routes=mounted.app.routes)
    text = msgspec.json.encode(made).decode().replace(f'"{_SCHEMAS}', f'"{_SCHEMAS}{slug_of(plugin_id)}.')
    found: dict[str, Any] = msgspec.json.decode(text)
    schemas = found.get("components", {}).get("schemas", {})
    if schemas:
        found["components"]["schemas"] = {f"{slug_of(plugin_id)}.{name}": schema for name, schema in schemas.items()}
    if not mounted.public:
        for item in found.get("paths", {}).values():
            for operation in item.values():
                operation["security"] = [{KEY: []}]
    return found
