"""Apps: what a key's `app` names, and which tools it has."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Response
from pydantic import Field

from jackfield.control.access import APP
from jackfield.ids import new_id
from jackfield.server.admin.errors import CHANGE_ERRORS, ERRORS, MISSING, NAME_ERRORS
from jackfield.server.admin.objects import IfMatch, Label, ObjectId, Shelf, Wanted, shelf_of
from jackfield.server.admin.services import Caller

Tools = Annotated[
    list[Label] | None,
    Field(max_length=1000, description="Full names of tools, or globs such as `plugin_weather_*`; all where absent"),
]


class App(Wanted):
    """With `tool_loop` the gateway runs tools for requests that do not ask for it."""

    name: Label
    tools: Tools = None
    tool_loop: bool = False


class NewApp(App):
    """`id` is what keys say in their `app`."""

    id: ObjectId | None = None


Apps = Annotated[Shelf, shelf_of(APP)]

router = APIRouter(tags=["apps"])


@router.get("/api/v1/apps", responses=ERRORS)
async def list_apps(who: Caller, shelf: Apps) -> dict[str, Any]:
    """All apps. A key may name one that is not here: nothing is set for it."""
    return await shelf.list()


@router.post("/api/v1/apps", status_code=201, responses=CHANGE_ERRORS)
async def create_app(new: NewApp, response: Response, who: Caller, shelf: Apps) -> dict[str, Any]:
    """Makes an app."""
    return await shelf.create(new.id or new_id("app"), new, who, response)


@router.get("/api/v1/apps/{app:path}", responses=NAME_ERRORS)
async def find_app(app: str, response: Response, who: Caller, shelf: Apps) -> dict[str, Any]:
    """One app, by id."""
    return await shelf.show(app, response)


@router.put("/api/v1/apps/{app:path}", responses=CHANGE_ERRORS | MISSING)
async def change_app(
    app: str, wanted: App, response: Response, who: Caller, shelf: Apps, if_match: IfMatch = None
) -> dict[str, Any]:
    """Replaces all that is set for an app."""
    return await shelf.replace(app, wanted, who, if_match, response)


@router.delete("/api/v1/apps/{app:path}", responses=CHANGE_ERRORS | MISSING)
async def delete_app(app: str, who: Caller, shelf: Apps, if_match: IfMatch = None) -> dict[str, Any]:
    """Deletes an app. Keys that name it go on, without what was set for it."""
    return await shelf.delete(app, who, if_match)
