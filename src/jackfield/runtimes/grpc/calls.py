"""The calls of a session as calls of `jackfield.plugin.v1`, at the gateway's side: what `guests.protocol` says of them
holds here too."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Literal

import msgspec

from jackfield.runtimes.grpc.generated import plugin_pb2 as pb
from jackfield.runtimes.grpc.outcomes import read_outcome
from jackfield.runtimes.grpc.specs import (
    read_agent,
    read_endpoint,
    read_hook,
    read_offers,
    read_task,
    read_tool,
    write_caller,
)
from jackfield.runtimes.grpc.values import (
    fields_of,
    given,
    present,
    read,
    read_headers,
    write,
    write_headers,
    write_time,
)

PACKAGE = "jackfield.plugin.v1"


class Rpc(msgspec.Struct, frozen=True):
    """`write` makes the request of a call's parameters, `read` the answer of the reply. A `follows` is a stream whose
    last message is the answer, and whose others tell of progress."""

    path: str
    write: Callable[[Any], Any]
    reply: Any
    read: Callable[[Any], Any]
    kind: Literal["call", "follow", "stream"] = "call"


def _empty(params: Any) -> pb.Empty:
    return pb.Empty()


def _nothing(reply: Any) -> None:
    return None


def _read_description(reply: pb.Description) -> dict[str, Any]:
    return {
        "manifest": read(reply.manifest_json) or {},
        "protocol": reply.protocol,
        "config_schema": read(reply.config_schema_json) or {},
        "ui_schema": read(reply.ui_schema_json),
        "hooks": [read_hook(spec) for spec in reply.hooks],
        "serves": list(reply.serves),
        "aliases": list(reply.aliases),
        "offers": read_offers(reply),
    }


def _write_load(params: Any) -> pb.LoadRequest:
    told = fields_of(params)
    return pb.LoadRequest(
        id=told["id"],
        config_json=write(dict(told["config"])),
        granted=told.get("granted", ()),
        development=bool(told.get("development")),
    )


def _read_loaded(reply: pb.Loaded) -> dict[str, Any]:
    """`tools`, `subscriptions` and `tasks` are what the plugin would ask for by itself, right now."""
    return {
        "config": read(reply.config_json),
        "agents": [read_agent(spec) for spec in reply.agents],
        "tools": [read_tool(spec) for spec in reply.tools],
        "subscriptions": list(reply.subscriptions),
        "tasks": [read_task(spec) for spec in reply.tasks],
        "endpoints": [read_endpoint(spec) for spec in reply.endpoints],
    }


def _read_health(reply: pb.Healthy) -> dict[str, Any]:
    return {"ok": reply.ok, "detail": reply.detail}


def _write_hook(params: Any) -> pb.HookCall:
    told = fields_of(params)
    exchange, opening, seen = told["exchange"]
    return pb.HookCall(
        name=told["name"],
        exchange=exchange,
        opening_json=write(opening),
        seen_json=write(seen),
        event_json=write(told.get("event")),
    )


def _write_provided(params: Any) -> pb.ProviderCall:
    told = fields_of(params)
    upstream = fields_of(told["upstream"])
    return pb.ProviderCall(
        request_json=write(told["request"]),
        upstream=pb.Upstream(
            name=upstream["name"],
            base_url=upstream.get("base_url", ""),
            options_json=write(dict(upstream.get("options", {}))),
        ),
        caller=write_caller(told.get("caller")),
    )


def _read_provided(reply: pb.ProviderReply) -> Any:
    """The JSON of the value as it is, or a failure as data."""
    if reply.WhichOneof("kind") != "failure":
        return reply.value_json
    told = reply.failure
    failure = {"kind": told.kind, "message": told.message, "sent": told.sent}
    if told.kind == "rejected":
        failure |= {"status": told.status, "body": told.body}
    return {"failure": failure | present(told, "retry_after_s", "code", "format")}


def _write_tool(params: Any) -> pb.ToolCall:
    told = fields_of(params)
    context = fields_of(told["context"])
    return pb.ToolCall(
        name=told["name"],
        arguments_json=write(dict(told["arguments"])),
        call=context.get("call", ""),
        plugin=context.get("plugin", ""),
        listened=bool(context.get("listened")),
        caller=write_caller(told.get("caller")),
    )


def _read_tool_event(event: pb.ToolEvent) -> dict[str, Any] | None:
    """`None` for progress."""
    if event.WhichOneof("kind") != "reply":
        return None
    reply = event.reply
    return {"success": reply.success, "result": read(reply.result_json), "error": reply.error or None}


def read_progress(event: pb.ToolEvent, call: str) -> dict[str, Any]:
    return {"call": call, "fraction": event.progress.fraction, "message": event.progress.message}


def _write_event(params: Any) -> pb.Event:
    told = fields_of(params)
    at = write_time(told["at"]) if told.get("at") is not None else 0.0
    return pb.Event(
        type=told["type"],
        data_json=write(dict(told["data"])),
        source=told.get("source", ""),
        at=at,
        caller=write_caller(told.get("caller")),
    )


def _read_event_reply(reply: pb.EventReply) -> dict[str, Any] | None:
    return {"reason": reply.refusal} if reply.HasField("refusal") else None


def _write_end(params: Any) -> pb.ExchangeEnd:
    return pb.ExchangeEnd(exchange=fields_of(params)["exchange"])


def _write_task(params: Any) -> pb.TaskRun:
    return pb.TaskRun(**given(fields_of(params), "name"))


def _write_request(params: Any) -> pb.EndpointRequest:
    told = fields_of(params)
    return pb.EndpointRequest(
        **given(told, "endpoint", "method", "path", "base", "query", "body"),
        headers=write_headers(told["headers"]),
        caller=write_caller(told.get("caller")),
        parameters=told.get("parameters") or {},
    )


def _read_answer(reply: pb.EndpointReply) -> dict[str, Any]:
    return {"status": reply.status, "headers": read_headers(reply.headers), "body": reply.body}


_plugin = partial("/{}.{}/{}".format, PACKAGE)

RPCS: Mapping[str, Rpc] = {
    "describe": Rpc(_plugin("Plugin", "Describe"), _empty, pb.Description, _read_description),
    "load": Rpc(_plugin("Plugin", "Load"), _write_load, pb.Loaded, _read_loaded),
    "enable": Rpc(_plugin("Plugin", "Enable"), _empty, pb.Empty, _nothing),
    "health": Rpc(_plugin("Plugin", "Health"), _empty, pb.Healthy, _read_health),
    "disable": Rpc(_plugin("Plugin", "Disable"), _empty, pb.Empty, _nothing),
    "unload": Rpc(_plugin("Plugin", "Unload"), _empty, pb.Empty, _nothing),
    "hook": Rpc(_plugin("Hooks", "Handle"), _write_hook, pb.Outcome, read_outcome),
    "over": Rpc(_plugin("Hooks", "End"), _write_end, pb.Empty, _nothing),
    "complete": Rpc(_plugin("Provider", "Complete"), _write_provided, pb.ProviderReply, _read_provided),
    "stream": Rpc(_plugin("Provider", "Stream"), _write_provided, pb.ProviderReply, _read_provided, "stream"),
    "embed": Rpc(_plugin("Provider", "Embed"), _write_provided, pb.ProviderReply, _read_provided),
    "tool": Rpc(_plugin("Tools", "Call"), _write_tool, pb.ToolEvent, _read_tool_event, "follow"),
    "event": Rpc(_plugin("Events", "Tell"), _write_event, pb.EventReply, _read_event_reply),
    "task": Rpc(_plugin("Tasks", "Run"), _write_task, pb.Empty, _nothing),
    "serve": Rpc(_plugin("Endpoints", "Serve"), _write_request, pb.EndpointReply, _read_answer, "stream"),
}
