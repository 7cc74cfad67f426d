"""Tools: what plugins offer now, and who may use it."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, Response
from pydantic import Field

from jackfield.control.access import TOOL, ToolBody
from jackfield.errors import NotFound
from jackfield.server.admin.catching_up import CAUGHT_UP
from jackfield.server.admin.errors import CHANGE_ERRORS, ERRORS, MISSING, NAME_ERRORS
from jackfield.server.admin.etags import read_etag, write_etag
from jackfield.server.admin.objects import IfMatch, Label, Shelf, Wanted, shelf_of
from jackfield.server.admin.services import Caller, Services
from jackfield.services.tool_table import OfferedTool
from jackfield.stores.objects import StoredObject
from jackfield.telemetry.text import escape_all_halves

UNRESTRICTED = msgspec.to_builtins(ToolBody())

Listed = Annotated[list[Label] | None, Field(max_length=1000)]


class Restriction(Wanted):
    """A caller must be on each list that is there: `apps` by the app of its key, `credentials` by the key's id."""

    enabled: bool = True
    apps: Listed = None
    credentials: Listed = None


Tools = Annotated[Shelf, shelf_of(TOOL)]

router = APIRouter(tags=["tools"], dependencies=[CAUGHT_UP])


@router.get("/api/v1/tools", responses=ERRORS)
async def list_tools(who: Caller, services: Services, shelf: Tools) -> dict[str, Any]:
    """Every tool that plugins offer now, and who may use it: everybody where nothing is set."""
    known = {stored.id: stored for stored in await shelf.all()}
    return {"data": [describe_tool(tool.name, tool, known.get(tool.name)) for tool in services.host.snapshot.tools]}


@router.get("/api/v1/tools/{name}", responses=NAME_ERRORS)
async def find_tool(name: str, response: Response, who: Caller, services: Services, shelf: Tools) -> dict[str, Any]:
    """One tool, by its full name."""
    return show(name, services.host.snapshot.tools.find(name), await shelf.find(name), response)


@router.put("/api/v1/tools/{name}", responses=CHANGE_ERRORS | MISSING)
async def restrict_tool(
    name: str,
    wanted: Restriction,
    response: Response,
    who: Caller,
    services: Services,
    shelf: Tools,
    if_match: IfMatch = None,
) -> dict[str, Any]:
    """Replaces all that is set for a tool. It stays set while the plugin is gone."""
    expected = read_etag(if_match, "revision")
    tool, found = services.host.snapshot.tools.find(name), await shelf.find(name)
    check_known(name, tool, found)
    return show(name, tool, await shelf.put(name, wanted, who, expected=expected), response)


def check_known(name: str, tool: OfferedTool | None, stored: StoredObject | None) -> None:
    """Raises `NotFound`."""
    if tool is None and stored is None:
        raise NotFound(f"no plugin offers a tool {name[:200]!r}, and nothing is set for one")


def show(name: str, tool: OfferedTool | None, stored: StoredObject | None, response: Response) -> dict[str, Any]:
    check_known(name, tool, stored)
    response.headers["etag"] = write_etag(stored.revision if stored else 0)
    return describe_tool(name, tool, stored)


def describe_tool(name: str, tool: OfferedTool | None, stored: StoredObject | None) -> dict[str, Any]:
    """What the plugin says of it is `null` where no plugin offers it now; the revision is 0 where nothing is set."""
    told = {
        "name": name,
        "plugin": tool.plugin if tool else None,
        "description": tool.spec.description if tool else None,
        "input_schema": msgspec.to_builtins(tool.spec.input_schema) if tool else None,
        "revision": stored.revision if stored else 0,
    }
    described: dict[str, Any] = escape_all_halves(told)
    described |= UNRESTRICTED
    return described | (stored.body or {}) if stored else described
