"""What a plugin in Python asks of the gateway: `errands` the other way round."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from jackfield.runtimes.grpc.generated import plugin_pb2 as pb
from jackfield.runtimes.grpc.specs import read_task, write_task, write_tool
from jackfield.runtimes.grpc.values import given, present, read, read_time, write, write_headers, write_plain


class Sent(msgspec.Struct, frozen=True):
    """`name` is the method of `Host`; `write` makes its request of the parameters, `read` the answer of its reply."""

    name: str
    write: Callable[[Mapping[str, Any]], Any]
    reply: Any = pb.Empty
    read: Callable[[Any], Any] = lambda reply: None


def _scope(told: Mapping[str, Any]) -> pb.KvScope:
    return pb.KvScope(**given(told, "namespace", "user"))


def _key(told: Mapping[str, Any]) -> pb.KvKey:
    return pb.KvKey(key=told["key"], scope=_scope(told))


def _write_set(told: Mapping[str, Any]) -> pb.KvSetRequest:
    value = write_plain(told["value"])
    return pb.KvSetRequest(key=told["key"], scope=_scope(told), value_json=value, **given(told, "ttl_s"))


def _write_increment(told: Mapping[str, Any]) -> pb.KvIncrementRequest:
    plain = given(told, "ttl_s")
    return pb.KvIncrementRequest(key=told["key"], scope=_scope(told), by=told.get("by", 1), **plain)


def _write_compare(told: Mapping[str, Any]) -> pb.KvCompareAndSetRequest:
    expected, value = write_plain(told["expected"]), write_plain(told["value"])
    plain = given(told, "key", "ttl_s")
    return pb.KvCompareAndSetRequest(scope=_scope(told), expected_json=expected, value_json=value, **plain)


def _read_value(reply: pb.KvValue) -> dict[str, Any] | None:
    return {"value": read(reply.value_json)} if reply.HasField("value_json") else None


def _write_http(told: Mapping[str, Any]) -> pb.HttpCall:
    body, headers = told.get("body"), dict(told.get("headers") or {})
    if body is not None and not isinstance(body, bytes | str):
        body = msgspec.json.encode(body)
        headers = {"content-type": "application/json"} | headers
    return pb.HttpCall(
        **given(told, "method", "url", "timeout_s"),
        headers=write_headers(headers.items()),
        body=body.encode() if isinstance(body, str) else body or b"",
        keep_redirects=not told.get("follow", True),
    )


def _read_http(reply: pb.HttpReply) -> dict[str, Any]:
    headers = {header.name: header.value for header in reply.headers}
    told = {"status": reply.status, "reason": reply.reason, "url": reply.url}
    return told | {"headers": headers, "body": reply.body}


def _write_log(told: Mapping[str, Any]) -> pb.LogEntry:
    return pb.LogEntry(**given(told, "level", "text"), fields_json=write(dict(told.get("fields") or {})))


def _write_emit(told: Mapping[str, Any]) -> pb.Event:
    return pb.Event(type=told["type"], data_json=write(dict(told["data"])))


def _write_schedule(told: Mapping[str, Any]) -> pb.ScheduleRequest:
    return pb.ScheduleRequest(task=write_task(told), once=bool(told.get("once")))


def _read_tasks(reply: pb.ScheduledTasks) -> list[dict[str, Any]]:
    return [_read_scheduled(task) for task in reply.tasks]


def _read_scheduled(task: pb.ScheduledTask) -> dict[str, Any]:
    spec = read_task(task.task)
    told = {"id": task.id, "name": spec["name"], "schedule": spec["when"], "timezone": spec["timezone"]}
    times = {name: read_time(at) for name, at in present(task, "last_run", "next_run").items()}
    return told | times | {"runs": task.runs} | present(task, "last_error")


def _write_execute(told: Mapping[str, Any]) -> pb.ToolCall:
    return pb.ToolCall(name=told["name"], arguments_json=write(dict(told["arguments"])))


def _read_reply(reply: pb.ToolReply) -> dict[str, Any]:
    return {"success": reply.success, "result": read(reply.result_json), "error": reply.error or None}


def _read_memories(reply: pb.Memories) -> list[dict[str, Any]]:
    names = ("id", "content", "type", "importance", "similarity")
    return [
        {name: getattr(memory, name) for name in names} | {"created_at": read_time(memory.created_at)}
        for memory in reply.memories
    ]


def _read_user(reply: pb.UserReply) -> dict[str, Any] | None:
    if not reply.HasField("user"):
        return None
    user = reply.user
    return {"id": user.id, "created_at": read_time(user.created_at), **present(user, "name")}


def _write_user(told: Mapping[str, Any]) -> pb.UserId:
    return pb.UserId(id=told["user"])


def _value(reply: Any) -> Any:
    return reply.value


SENT: Mapping[str, Sent] = {
    "log": Sent("Log", _write_log),
    "report": Sent("Report", lambda t: pb.Healthy(**given(t, "ok", "detail"))),
    "kv.get": Sent("KvGet", _key, pb.KvValue, _read_value),
    "kv.set": Sent("KvSet", _write_set),
    "kv.delete": Sent("KvDelete", _key, pb.KvFlag, _value),
    "kv.list": Sent(
        "KvList",
        lambda t: pb.KvListRequest(prefix=t.get("prefix", ""), scope=_scope(t)),
        pb.KvKeys,
        lambda r: list(r.keys),
    ),
    "kv.clear": Sent("KvClear", _scope, pb.KvCount, _value),
    "kv.increment": Sent("KvIncrement", _write_increment, pb.KvCount, _value),
    "kv.compare_and_set": Sent("KvCompareAndSet", _write_compare, pb.KvFlag, _value),
    "http.request": Sent("HttpRequest", _write_http, pb.HttpReply, _read_http),
    "events.on": Sent("EventsOn", lambda t: pb.EventType(type=t["type"])),
    "events.off": Sent("EventsOff", lambda t: pb.EventType(type=t["type"])),
    "events.emit": Sent("EventsEmit", _write_emit),
    "scheduler.schedule": Sent("Schedule", _write_schedule, pb.TaskId, lambda r: r.id),
    "scheduler.cancel": Sent("CancelTask", lambda t: pb.TaskId(id=t["task"]), pb.KvFlag, _value),
    "scheduler.list": Sent("ListTasks", lambda t: pb.Empty(), pb.ScheduledTasks, _read_tasks),
    "tools.register": Sent("RegisterTool", write_tool),
    "tools.unregister": Sent("UnregisterTool", lambda t: pb.ToolName(name=t["name"])),
    "tools.execute": Sent("ExecuteTool", _write_execute, pb.ToolReply, _read_reply),
    "memory.search": Sent(
        "SearchMemory", lambda t: pb.MemorySearch(**given(t, "query", "user", "limit")), pb.Memories, _read_memories
    ),
    "memory.create": Sent(
        "CreateMemory",
        lambda t: pb.NewMemory(**given(t, "user", "content", "type", "importance")),
        pb.MemoryId,
        lambda r: r.id,
    ),
    "users.get": Sent("GetUser", _write_user, pb.UserReply, _read_user),
    "users.preferences": Sent("GetPreferences", _write_user, pb.Preferences, lambda r: read(r.values_json) or {}),
}
