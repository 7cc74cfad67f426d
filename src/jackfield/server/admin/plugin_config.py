"""A plugin's config: as it is in effect, and as the operator changes it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from fastapi import APIRouter, Body, Header, Response

from jackfield.errors import Unprocessable
from jackfield.host.host import Host
from jackfield.host.masking import masked_config, masked_overlay
from jackfield.host.plugin import LoadedPlugin
from jackfield.server.admin.catching_up import CAUGHT_UP
from jackfield.server.admin.errors import CHANGE_ERRORS, MISSING, NAME_ERRORS
from jackfield.server.admin.etags import read_etag, write_etag
from jackfield.server.admin.masked_config import masked_form, unmask
from jackfield.server.admin.plugin_description import describe_change, state_of
from jackfield.server.admin.plugins import PluginName
from jackfield.server.admin.services import Caller, Services
from jackfield.server.admin.storable import check_storable
from jackfield.telemetry.text import escape_all_halves

WRAPPER = "config"

Config = Annotated[
    dict[str, Any], Body(description="All that the operator sets: what is left out is as it was without them")
]
IfMatch = Annotated[str | None, Header(description="The generation that was seen; another one is refused")]

router = APIRouter(tags=["plugins"], dependencies=[CAUGHT_UP])


@router.get("/api/v1/plugins/{name:path}/config", responses=NAME_ERRORS)
async def plugin_config(name: PluginName, response: Response, who: Caller, services: Services) -> dict[str, Any]:
    """A plugin's config in effect, and of it what was set through the API (`overlay`); secrets are masked."""
    return _show(services.host, name, response)


@router.put("/api/v1/plugins/{name:path}/config", responses=CHANGE_ERRORS | MISSING)
async def configure_plugin(
    name: PluginName, given: Config, response: Response, who: Caller, services: Services, if_match: IfMatch = None
) -> dict[str, Any]:
    """Replaces what was set through the API, bare or as `{"config": …}`. A masked value that comes back means
    that it stays."""
    host = services.host
    plugin = host.find(name)
    check_storable(given)
    config = unmask(_unwrap(given, plugin), plugin)
    if "approve" in config:
        raise Unprocessable("approve: permissions are approved at …/permissions", param="approve")
    changed = await host.configure(plugin.id, config, actor=who.id, expected=read_etag(if_match, "generation"))
    told = _show(host, plugin.id, response)
    return describe_change(changed) | told


def _show(host: Host, name: str, response: Response) -> dict[str, Any]:
    plugin, generation = host.find(name), host.snapshot.generation
    response.headers["etag"] = write_etag(generation)
    return describe_config(plugin, generation)


def describe_config(plugin: LoadedPlugin, generation: int) -> dict[str, Any]:
    state, reason = state_of(plugin)
    told = {
        "id": plugin.id,
        "name": plugin.name,
        "state": state,
        "reason": reason,
        "config": masked_config(plugin),
        "overlay": masked_overlay(plugin),
        "ui_schema": masked_form(plugin),
        "generation": generation,
    }
    described: dict[str, Any] = escape_all_halves(told)
    return described


def _unwrap(given: dict[str, Any], plugin: LoadedPlugin) -> dict[str, Any]:
    """`{"config": …}` is a wrapper unless the plugin has a field of that name."""
    if set(given) == {WRAPPER} and isinstance(given[WRAPPER], dict) and WRAPPER not in fields_of(plugin):
        inner: dict[str, Any] = given[WRAPPER]
        return inner
    return given


def fields_of(plugin: LoadedPlugin) -> set[str]:
    """The names in its form, in either shape that a form has: a JSON Schema, or a list of fields."""
    form, known = plugin.ui_schema, set(plugin.settings.own)
    if isinstance(form, Mapping):
        return known | set(form.get("properties", ()))
    if isinstance(form, list | tuple):
        return known | {str(field.get("key")) for field in form if isinstance(field, Mapping)}
    return known
