"""The calls of a session at the plugin's side: `calls` the other way round."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from jackfield.runtimes.grpc.calls import RPCS
from jackfield.runtimes.grpc.errands import write_reply
from jackfield.runtimes.grpc.generated import plugin_pb2 as pb
from jackfield.runtimes.grpc.outcomes import write_outcome
from jackfield.runtimes.grpc.specs import read_caller, write_agent, write_endpoint, write_hook
from jackfield.runtimes.grpc.values import (
    fields_of,
    given,
    read,
    read_headers,
    read_time,
    write,
    write_headers,
)


class Served(msgspec.Struct, frozen=True):
    """`read` makes parameters of the request, `write` the reply of the answer."""

    request: Any
    read: Callable[[Any], Any]
    write: Callable[[Any], Any]


def _nothing(request: Any) -> None:
    return None


def _empty(answer: Any) -> pb.Empty:
    return pb.Empty()


def _caller(message: Any) -> dict[str, Any]:
    return {"caller": read_caller(message.caller) if message.HasField("caller") else None}


def _write_description(answer: Any) -> pb.Description:
    told = fields_of(answer)
    return pb.Description(
        protocol=told.get("protocol", 1),
        manifest_json=write(dict(told["manifest"])),
        config_schema_json=write(dict(told.get("config_schema") or {})),
        ui_schema_json=write(told.get("ui_schema")),
        hooks=[write_hook(fields_of(spec)) for spec in told.get("hooks", ())],
        serves=list(told.get("serves", ())),
        aliases=list(told.get("aliases", ())),
        converses=True,
    )


def _read_load(request: pb.LoadRequest) -> dict[str, Any]:
    told = {"id": request.id, "config": read(request.config_json) or {}}
    return told | {"granted": list(request.granted), "development": request.development}


def _write_loaded(answer: Any) -> pb.Loaded:
    """What a plugin in Python registers it asks for by itself."""
    told = fields_of(answer)
    agents = [write_agent(spec) for spec in told.get("agents", ())]
    endpoints = [write_endpoint(spec) for spec in told.get("endpoints", ())]
    return pb.Loaded(config_json=write(dict(told["config"])), agents=agents, endpoints=endpoints)


def _write_health(answer: Any) -> pb.Healthy:
    return pb.Healthy(**given(fields_of(answer), "ok", "detail"))


def _read_hook(request: pb.HookCall) -> dict[str, Any]:
    told: dict[str, Any] = {"name": request.name}
    told["exchange"] = [request.exchange, request.opening_json or None, request.seen_json]
    return told | ({"event": request.event_json} if request.event_json else {})


def _read_provided(request: pb.ProviderCall) -> dict[str, Any]:
    upstream = request.upstream
    told = {"name": upstream.name, "base_url": upstream.base_url, "options": read(upstream.options_json) or {}}
    return {"request": request.request_json, "upstream": told, **_caller(request)}


def _write_provided(answer: Any) -> pb.ProviderReply:
    if isinstance(answer, Mapping) and "failure" in answer:
        names = ("kind", "message", "sent", "retry_after_s", "status", "code", "body", "format")
        return pb.ProviderReply(failure=pb.UpstreamFailure(**given(answer["failure"], *names)))
    return pb.ProviderReply(value_json=write(answer))


def _read_tool(request: pb.ToolCall) -> dict[str, Any]:
    context = {"plugin": request.plugin, "tool": request.name, "call": request.call, "listened": request.listened}
    return {
        "name": request.name,
        "arguments": read(request.arguments_json) or {},
        "context": context,
        **_caller(request),
    }


def _write_tool(answer: Any) -> pb.ToolEvent:
    return pb.ToolEvent(reply=write_reply(answer))


def _read_event(request: pb.Event) -> dict[str, Any]:
    told = {"type": request.type, "data": read(request.data_json) or {}, "source": request.source}
    return told | {"at": read_time(request.at), **_caller(request)}


def _write_event_reply(answer: Any) -> pb.EventReply:
    return pb.EventReply() if answer is None else pb.EventReply(refusal=answer["reason"])


def _read_request(request: pb.EndpointRequest) -> dict[str, Any]:
    told = {name: getattr(request, name) for name in ("endpoint", "method", "path", "base", "query", "body")}
    headers = read_headers(request.headers)
    return {**told, "headers": headers, "parameters": dict(request.parameters), **_caller(request)}


def _write_answer(answer: Any) -> pb.EndpointReply:
    told = fields_of(answer)
    return pb.EndpointReply(**given(told, "status", "body"), headers=write_headers(told.get("headers", ())))


SERVED: Mapping[str, Served] = {
    "describe": Served(pb.Empty, _nothing, _write_description),
    "load": Served(pb.LoadRequest, _read_load, _write_loaded),
    "enable": Served(pb.Empty, _nothing, _empty),
    "health": Served(pb.Empty, _nothing, _write_health),
    "disable": Served(pb.Empty, _nothing, _empty),
    "unload": Served(pb.Empty, _nothing, _empty),
    "hook": Served(pb.HookCall, _read_hook, write_outcome),
    "over": Served(pb.ExchangeEnd, lambda r: {"exchange": r.exchange}, _empty),
    "complete": Served(pb.ProviderCall, _read_provided, _write_provided),
    "stream": Served(pb.ProviderCall, _read_provided, _write_provided),
    "embed": Served(pb.ProviderCall, _read_provided, _write_provided),
    "tool": Served(pb.ToolCall, _read_tool, _write_tool),
    "event": Served(pb.Event, _read_event, _write_event_reply),
    "task": Served(pb.TaskRun, lambda r: {"name": r.name}, _empty),
    "serve": Served(pb.EndpointRequest, _read_request, _write_answer),
}
PATHS: Mapping[str, str] = {RPCS[name].path: name for name in SERVED}
