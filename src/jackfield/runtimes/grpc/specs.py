"""What a plugin offers, between the messages of `jackfield.plugin.v1` and plain values."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from jackfield.runtimes.grpc.generated import plugin_pb2 as pb
from jackfield.runtimes.grpc.values import fields_of, given, present, read, write

_FLAGS = ("edits", "replaces_record", "sees_answer", "look_behind", "hold")
_LISTS = ("operations", "before", "after")
# Points that leave their authors no choice.
_FIXED = {"ingress": "closed", "auth": "closed", "routing": "closed", "attempt": "closed", "background": "open"}
_CALLER = ("user", "app", "credential", "conversation", "request")


def read_hook(spec: pb.Hook) -> dict[str, Any]:
    told: dict[str, Any] = {"point": spec.point, "name": spec.name}
    told["on_failure"] = spec.on_failure or _FIXED.get(spec.point, "")
    told |= present(spec, "priority", "timeout_ms")
    told |= {name: getattr(spec, name) for name in _FLAGS}
    return told | {name: list(found) for name in _LISTS if (found := getattr(spec, name))}


def write_hook(told: Mapping[str, Any]) -> pb.Hook:
    lists: dict[str, Any] = {name: list(told[name]) for name in _LISTS if told.get(name)}
    plain = given(told, "point", "name", "on_failure", "priority", "timeout_ms", *_FLAGS)
    return pb.Hook(**plain, **lists)


def read_agent(spec: pb.AgentSpec) -> dict[str, Any]:
    told: dict[str, Any] = {"id": spec.id, "description": spec.description, "instructions": spec.instructions}
    optional = {"model": spec.model, "tools": list(spec.tools), "max_turns": spec.max_turns}
    return told | {name: value for name, value in optional.items() if value}


def write_agent(told: Any) -> pb.AgentSpec:
    found = fields_of(told)
    plain = given(found, "id", "description", "model", "instructions", "max_turns")
    return pb.AgentSpec(**plain, tools=list(found.get("tools") or ()))


def read_endpoint(spec: pb.Endpoint) -> dict[str, Any]:
    plain = _plain(spec, "path", "public", "description", "at_root")
    return plain | ({"methods": list(spec.methods)} if spec.methods else {})


def write_endpoint(told: Any) -> pb.Endpoint:
    return pb.Endpoint(**given(fields_of(told), "path", "methods", "public", "description", "at_root"))


def read_tool(spec: pb.ToolSpec) -> dict[str, Any]:
    told: dict[str, Any] = {"name": spec.name, "description": spec.description}
    if spec.input_schema_json:
        told["input_schema"] = read(spec.input_schema_json)
    return told | ({"timeout_s": spec.timeout_s} if spec.timeout_s else {})


def write_tool(told: Any) -> pb.ToolSpec:
    found = fields_of(told)
    schema = found.get("input_schema")
    plain = given(found, "name", "description", "timeout_s")
    return pb.ToolSpec(**plain, input_schema_json=write(dict(schema)) if schema is not None else b"")


def read_task(spec: pb.TaskSpec) -> dict[str, Any]:
    when = spec.cron if spec.WhichOneof("when") == "cron" else spec.every_s
    return {"name": spec.name, "when": when, "timezone": spec.timezone or "UTC"}


def write_task(told: Mapping[str, Any]) -> pb.TaskSpec:
    when = told["when"]
    spec = pb.TaskSpec(name=told["name"], timezone=told.get("timezone", ""))
    if isinstance(when, str):
        spec.cron = when
    else:
        spec.every_s = float(when)
    return spec


def read_offers(reply: pb.Description) -> dict[str, list[dict[str, Any]]]:
    """What the plugin would do besides, by kind; nothing where there is none."""
    told = {
        "object_hooks": [_plain(item, "object", "moments", "priority") for item in reply.object_hooks],
        "receivers": [_plain(item, "name") for item in reply.receivers],
        "pages": [_plain(item, "id", "title", "audience", "entry", "icon", "groups") for item in reply.pages],
        "agents": [read_agent(item) for item in reply.agents],
    }
    return {name: items for name, items in told.items() if items}


def _plain(message: Any, *names: str) -> dict[str, Any]:
    found = {name: getattr(message, name) for name in names}
    return {name: value if isinstance(value, str | int | bool) else list(value) for name, value in found.items()}


def write_caller(told: Any) -> pb.Caller | None:
    if told is None:
        return None
    found = fields_of(told)
    return pb.Caller(**given(found, *_CALLER), models=sorted(found.get("models") or ()), depth=found.get("depth") or 0)


def read_caller(caller: pb.Caller) -> dict[str, Any]:
    return {**present(caller, *_CALLER), "models": list(caller.models), "depth": caller.depth}
