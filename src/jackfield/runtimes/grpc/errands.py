"""What a plugin asks of the gateway (`Host` of `jackfield.plugin.v1`), as what it asks for over any session."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Literal

import msgspec

from jackfield.runtimes.grpc.generated import plugin_pb2 as pb
from jackfield.runtimes.grpc.specs import read_task, read_tool, write_task
from jackfield.runtimes.grpc.values import (
    fields_of,
    given,
    present,
    read,
    write,
    write_headers,
    write_plain,
    write_time,
)

SERVICE = "jackfield.plugin.v1.Host"


class Errand(msgspec.Struct, frozen=True):
    """`method` is what is asked for, or told; `read` makes its parameters of the request, `write` the reply of the
    answer."""

    method: str
    request: Any
    read: Callable[[Any], Any]
    write: Callable[[Any], Any]
    kind: Literal["ask", "tell"] = "ask"


def _empty(answer: Any) -> pb.Empty:
    return pb.Empty()


def _scope(request: Any) -> dict[str, Any]:
    return {"namespace": request.scope.namespace, **present(request.scope, "user")}


def _key(request: Any) -> dict[str, Any]:
    return {"key": request.key, **_scope(request)}


def _read_set(request: pb.KvSetRequest) -> dict[str, Any]:
    return {**_key(request), "value": read(request.value_json), **present(request, "ttl_s")}


def _read_increment(request: pb.KvIncrementRequest) -> dict[str, Any]:
    return {**_key(request), "by": request.by, **present(request, "ttl_s")}


def _read_compare(request: pb.KvCompareAndSetRequest) -> dict[str, Any]:
    told = {"expected": read(request.expected_json), "value": read(request.value_json)}
    return {**_key(request), **told, **present(request, "ttl_s")}


def _write_value(answer: Any) -> pb.KvValue:
    """Of `{"value"}`, so that a stored null is not taken for nothing. Bytes that were stored are a value like any
    other, and no JSON that is there already."""
    return pb.KvValue() if answer is None else pb.KvValue(value_json=write_plain(answer["value"]))


def _write_flag(answer: Any) -> pb.KvFlag:
    return pb.KvFlag(value=bool(answer))


def _write_count(answer: Any) -> pb.KvCount:
    return pb.KvCount(value=answer)


def _read_http(request: pb.HttpCall) -> dict[str, Any]:
    headers = {header.name: header.value for header in request.headers}
    told = {"method": request.method, "url": request.url, "headers": headers, "follow": not request.keep_redirects}
    optional = {"body": request.body or None, "timeout_s": request.timeout_s or None}
    return told | given(optional, "body", "timeout_s")


def _write_http(answer: Any) -> pb.HttpReply:
    found = fields_of(answer)
    headers = write_headers(found["headers"].items())
    return pb.HttpReply(**given(found, "status", "reason", "body", "url"), headers=headers)


def _read_emit(request: pb.Event) -> dict[str, Any]:
    return {"type": request.type, "data": read(request.data_json) or {}}


def _read_schedule(request: pb.ScheduleRequest) -> dict[str, Any]:
    return {**read_task(request.task), "once": request.once}


def _write_tasks(answer: Any) -> pb.ScheduledTasks:
    return pb.ScheduledTasks(tasks=[_write_scheduled(fields_of(task)) for task in answer])


def _write_scheduled(task: Mapping[str, Any]) -> pb.ScheduledTask:
    times: dict[str, Any] = {
        name: write_time(task[name]) for name in ("last_run", "next_run") if task.get(name) is not None
    }
    spec = write_task({**task, "when": task["schedule"]})
    return pb.ScheduledTask(task=spec, **times, **given(task, "id", "runs", "last_error"))


def _read_execute(request: pb.ToolCall) -> dict[str, Any]:
    return {"name": request.name, "arguments": read(request.arguments_json) or {}}


def write_reply(answer: Any) -> pb.ToolReply:
    found = fields_of(answer)
    error, result = found.get("error") or "", found.get("result")
    written = b"" if result is None else write_plain(result)
    return pb.ToolReply(success=found["success"], result_json=written, error=error)


def _read_search(request: pb.MemorySearch) -> dict[str, Any]:
    return {"query": request.query, "user": request.user, "limit": request.limit or 10}


def _write_memories(answer: Any) -> pb.Memories:
    return pb.Memories(memories=[_write_memory(fields_of(memory)) for memory in answer])


def _write_memory(found: Mapping[str, Any]) -> pb.Memory:
    told = given(found, "id", "content", "type", "importance", "similarity")
    return pb.Memory(**told, created_at=write_time(found["created_at"]))


def _read_memory(request: pb.NewMemory) -> dict[str, Any]:
    told = {"user": request.user, "content": request.content, "type": request.type}
    return told | {"importance": request.importance or 5}


def _read_user(request: pb.UserId) -> dict[str, Any]:
    return {"user": request.id}


def _write_user(answer: Any) -> pb.UserReply:
    if answer is None:
        return pb.UserReply()
    found = fields_of(answer)
    made: datetime = found["created_at"]
    return pb.UserReply(user=pb.User(**given(found, "id", "name"), created_at=write_time(made)))


ERRANDS: Mapping[str, Errand] = {
    "Log": Errand(
        "log",
        pb.LogEntry,
        lambda r: {"level": r.level, "text": r.text, "fields": read(r.fields_json) or {}},
        _empty,
        "tell",
    ),
    "Report": Errand("report", pb.Healthy, lambda r: {"ok": r.ok, "detail": r.detail}, _empty, "tell"),
    "KvGet": Errand("kv.get", pb.KvKey, _key, _write_value),
    "KvSet": Errand("kv.set", pb.KvSetRequest, _read_set, _empty),
    "KvDelete": Errand("kv.delete", pb.KvKey, _key, _write_flag),
    "KvList": Errand(
        "kv.list", pb.KvListRequest, lambda r: {"prefix": r.prefix, **_scope(r)}, lambda a: pb.KvKeys(keys=list(a))
    ),
    "KvClear": Errand("kv.clear", pb.KvScope, lambda r: {"namespace": r.namespace, **present(r, "user")}, _write_count),
    "KvIncrement": Errand("kv.increment", pb.KvIncrementRequest, _read_increment, _write_count),
    "KvCompareAndSet": Errand("kv.compare_and_set", pb.KvCompareAndSetRequest, _read_compare, _write_flag),
    "HttpRequest": Errand("http.request", pb.HttpCall, _read_http, _write_http),
    "EventsOn": Errand("events.on", pb.EventType, lambda r: {"type": r.type}, _empty, "tell"),
    "EventsOff": Errand("events.off", pb.EventType, lambda r: {"type": r.type}, _empty, "tell"),
    "EventsEmit": Errand("events.emit", pb.Event, _read_emit, _empty, "tell"),
    "Schedule": Errand("scheduler.schedule", pb.ScheduleRequest, _read_schedule, lambda a: pb.TaskId(id=a)),
    "CancelTask": Errand("scheduler.cancel", pb.TaskId, lambda r: {"task": r.id}, _write_flag),
    "ListTasks": Errand("scheduler.list", pb.Empty, lambda r: {}, _write_tasks),
    "RegisterTool": Errand("tools.register", pb.ToolSpec, read_tool, _empty, "tell"),
    "UnregisterTool": Errand("tools.unregister", pb.ToolName, lambda r: {"name": r.name}, _empty, "tell"),
    "ExecuteTool": Errand("tools.execute", pb.ToolCall, _read_execute, write_reply),
    "SearchMemory": Errand("memory.search", pb.MemorySearch, _read_search, _write_memories),
    "CreateMemory": Errand("memory.create", pb.NewMemory, _read_memory, lambda a: pb.MemoryId(id=a)),
    "GetUser": Errand("users.get", pb.UserId, _read_user, _write_user),
    "GetPreferences": Errand(
        "users.preferences", pb.UserId, _read_user, lambda a: pb.Preferences(values_json=write(dict(a)))
    ),
}
