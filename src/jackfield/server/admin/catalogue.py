"""What the catalogues list."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from fastapi import APIRouter, Query

from jackfield.host.plugin import LoadedPlugin
from jackfield.server.admin.errors import ERRORS, WRONG_PARAMETER
from jackfield.server.admin.services import Caller, Services
from jackfield.sources.archives.catalogue import Index, Listed, search
from jackfield.sources.archives.shelf import Shelf
from jackfield.telemetry.text import escape_all_halves

Words = Annotated[str, Query(max_length=1000, description="Only plugins in whose id, name, author or text all occur")]

router = APIRouter(tags=["plugins"])


@router.get("/api/v1/catalogue", responses=ERRORS | WRONG_PARAMETER)
async def catalogue(who: Caller, services: Services, q: Words = "") -> dict[str, Any]:
    """The newest version of each plugin that a catalogue lists, and how each catalogue is: one that cannot be read
    now is told of with its `problem`, as it was when it was read last."""
    shelf = services.installer.shelf
    problems = await shelf.refresh()
    plugins = services.host.snapshot.plugins
    data = [
        _describe(name, index, one, plugins) for name, index in shelf.known.items() for one in search(index, q.split())
    ]
    described: dict[str, Any] = escape_all_halves({"data": data, "catalogues": _describe_all(shelf, problems)})
    return described


def _describe(name: str, index: Index, one: Listed, plugins: Mapping[str, LoadedPlugin]) -> dict[str, Any]:
    known = plugins.get(one.id)
    return {
        "id": one.id,
        "version": one.version,
        "name": one.title,
        "description": one.description,
        "author": one.author,
        "permissions": one.permissions,
        "published_at": one.published_at.isoformat(),
        "versions": [listed.version for listed in index.versions(one.id)],
        "catalogue": name,
        "installed": known.version if known is not None else None,
        "runs_here": one.runs_here,
        "revoked": index.reason_against(one.id, one.version),
    }


def _describe_all(shelf: Shelf, problems: Mapping[str, str]) -> list[dict[str, Any]]:
    known = shelf.known
    return [
        {
            "name": name,
            "place": one.place,
            "sequence": known[name].sequence if name in known else None,
            "expires_at": known[name].expires_at.isoformat() if name in known else None,
            "problem": problems.get(name),
        }
        for name, one in shelf.catalogues.items()
    ]
