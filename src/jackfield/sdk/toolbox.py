"""The API of toolbox plugins: what `on_load(api)` is handed.

The groups, permissions and error texts are those of the toolbox guide. Values that a plugin gets are `Shape`s: the
guide's own dictionaries (`result["createdAt"]`), whose keys are attributes as well (`result.created_at`).
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from copy import deepcopy
from datetime import datetime
from typing import Any

import msgspec

from jackfield.errors import RateLimited
from jackfield.rpc.codec import pack, unpack
from jackfield.sdk.caller import Caller, current_caller
from jackfield.sdk.events import Event, EventHandler, ToolRefusal
from jackfield.sdk.http import HTTP_TIMEOUT_S, HttpResponse
from jackfield.sdk.memory import Memory
from jackfield.sdk.scheduler import ScheduledTask
from jackfield.sdk.services import NEEDED, NotGranted, Services
from jackfield.sdk.tools import ToolContext, ToolHandler, ToolReply, ToolSpec
from jackfield.sdk.users import User

DEFAULT_NAMESPACE = "default"
# The scheduler's shortest interval: what is to run more often runs as often as this.
SHORTEST_MS = 1000
_LEVELS = ("debug", "info", "warn", "error")
_NOBODY = Caller()
_CONTROL = re.compile(r"[^\S\n\t ]|[\x00-\x08\x0e-\x1f\x7f-\x9f]")


class Shape(dict[str, Any]):
    """A dictionary whose keys are attributes too, by their own name or in snake case. An optional key that is not there
    is `None` as an attribute."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return self.get(name, self.get(_camel(name)))


class PluginAPI:
    """`manifest` is what the plugin's manifest says, `config` its own settings; `log` takes what it tells. Whatever the
    plugin lacks a permission for raises `PermissionError`."""

    def __init__(
        self,
        manifest: Mapping[str, Any],
        plugin_id: str,
        services: Services,
        config: Mapping[str, Any],
        log: Any,
        *,
        permissions: tuple[str, ...] = (),
        development: bool = False,
    ) -> None:
        self._manifest, self._permissions = manifest, permissions
        self.plugin_id = plugin_id
        self.logger = Logger(plugin_id, log, development=development)
        self.events = EventsApi(plugin_id, services)
        self.storage = StorageApi(plugin_id, services)
        self.http = HttpApi(plugin_id, services)
        self.scheduler = SchedulerApi(plugin_id, services, self.logger)
        self.memory = MemoryApi(plugin_id, services)
        self.users = UsersApi(plugin_id, services)
        self.config = ConfigApi(config)
        self._services = services

    @property
    def manifest(self) -> Shape:
        """A copy: to change it changes nothing."""
        return Shape(deepcopy(dict(self._manifest)))

    def register_tool(self, tool: Mapping[str, Any] | None = None, **parts: Any) -> None:
        """`name`, `description`, `input_schema` and `handler`, as a dictionary or as keywords. The handler gets the
        input and a context (`user_id`, `conversation_id`, `plugin_id`, `permissions`), and answers
        `{"success": …, "result": …, "error": …}`. Raises `ValueError` for a tool that no model could be offered."""
        given = {**(tool or {}), **parts}
        handler = given.get("handler")
        if not callable(handler):
            raise ValueError(f"Tool {given.get('name')}: the handler must be a function")
        schema = given.get("input_schema", given.get("inputSchema"))
        spec = ToolSpec(
            name=given.get("name", ""),
            description=str(given.get("description") or ""),
            input_schema={"type": "object"} if schema is None else schema,
        )
        with self._needing("tools:register"):
            self._services.tools.register(spec, self._handle_with(handler, spec.name))

    def unregister_tool(self, name: str) -> None:
        """By its short name; one that is not there is no error."""
        with self._needing("tools:register"):
            self._services.tools.unregister(name)

    async def execute_tool(self, name: str, input: Mapping[str, Any], context: Any = None) -> Shape:  # noqa: A002
        """By short name a tool of one's own, by full name (`plugin_{id}_{tool}`) another's: `{"success", "result",
        "error"}`. On whose behalf it runs the host knows; what a `context` says of that is not listened to."""
        if not isinstance(name, str) or not isinstance(input, Mapping):
            raise ValueError("a tool is executed by its name, a text, with its input, an object")
        with self._needing("tools:execute"):
            try:
                return _result(await self._services.tools.execute(name, input))
            except RateLimited as error:
                return _result(ToolReply(success=False, error=_rate_limit(self.plugin_id, error)))

    def _handle_with(self, handler: Callable[..., Any], name: str) -> ToolHandler:
        async def handle(arguments: dict[str, Any], context: ToolContext) -> ToolReply:
            answer = await _settle(handler(arguments, self._context(context.caller)))
            return read_result(answer, name)

        return handle

    def _context(self, caller: Caller) -> Shape:
        known = {"userId": caller.user, "conversationId": caller.conversation}
        given = {key: value for key, value in known.items() if value is not None}
        return Shape(pluginId=self.plugin_id, permissions=list(self._permissions), **given)

    def _needing(self, permission: str) -> AbstractContextManager[None]:
        return _told_by_guide(self.plugin_id, permission)


class _Group:
    """A part of the API, and how it tells refusals."""

    def __init__(self, plugin_id: str, services: Services) -> None:
        self._plugin, self._services = plugin_id, services

    def _needing(self, permission: str) -> AbstractContextManager[None]:
        return _told_by_guide(self._plugin, permission)


class EventsApi(_Group):
    def __init__(self, plugin_id: str, services: Services) -> None:
        super().__init__(plugin_id, services)
        self._told: list[tuple[str, Any, EventHandler]] = []

    def on(self, event: str, handler: Callable[[Shape], Any]) -> None:
        """The handler gets the event: `type`, `timestamp`, `data`, `source`. The same one twice is told once. Of
        `tool:before_execute` it may answer `{"refuse": why}`, with the permission `tools:refuse`."""
        if not callable(handler):
            raise ValueError(f"events.on {event}: the handler must be a function")
        if self._find(event, handler) is not None:
            return

        async def tell(seen: Event) -> Any:
            answer = await _settle(handler(_event(seen)))
            refused = answer.get("refuse") if isinstance(answer, Mapping) else None
            return ToolRefusal(refused) if isinstance(refused, str) else answer

        with self._needing("events:subscribe"):
            self._services.events.on(event, tell)
        self._told.append((event, handler, tell))

    def off(self, event: str, handler: Callable[[Shape], Any]) -> None:
        """One that was not there is no error."""
        if (found := self._find(event, handler)) is not None:
            self._told.remove(found)
            self._services.events.off(event, found[2])

    def _find(self, event: str, handler: Any) -> tuple[str, Any, EventHandler] | None:
        """A method of an object is another object each time, and equal."""
        return next((one for one in self._told if one[0] == event and one[1] == handler), None)

    def emit(self, event: str, data: Mapping[str, Any] | None = None) -> None:
        """Others see it with this plugin as its source, whatever its type."""
        with self._needing("events:emit"):
            self._services.events.emit(event, {} if data is None else data)


class StorageApi(_Group):
    """`scope` "plugin" is shared by all users, "user" is that of the user on whose behalf the plugin runs. Both it and
    `namespace` may be given as a dictionary too, in the last place."""

    async def get(self, key: str, options: Mapping[str, Any] | None = None, **named: Any) -> Any:
        """`None` where there is none."""
        with self._needing("storage:read"):
            return unpack(await self._services.kv.get(key, **self._scope(options, named)))

    async def set(self, key: str, value: Any, options: Mapping[str, Any] | None = None, **named: Any) -> None:
        with self._needing("storage:write"):
            await self._services.kv.set(key, _storable(value), **self._scope(options, named))

    async def delete(self, key: str, options: Mapping[str, Any] | None = None, **named: Any) -> None:
        with self._needing("storage:write"):
            await self._services.kv.delete(key, **self._scope(options, named))

    async def list(
        self, prefix: str | None = None, options: Mapping[str, Any] | None = None, **named: Any
    ) -> list[str]:
        """The keys that begin with exactly `prefix`."""
        with self._needing("storage:read"):
            return [*await self._services.kv.list(prefix or "", **self._scope(options, named))]

    async def clear(self, options: Mapping[str, Any] | None = None, **named: Any) -> None:
        """What is in this scope and namespace, and nothing else."""
        with self._needing("storage:write"):
            await self._services.kv.clear(**self._scope(options, named))

    def _scope(self, options: Mapping[str, Any] | None, named: Mapping[str, Any]) -> dict[str, Any]:
        """Raises `ValueError` for an option that there is not, and for a user's scope where there is no user."""
        given = {**(options or {}), **named}
        if unknown := sorted(given.keys() - {"scope", "namespace"}):
            raise ValueError(f"storage: there is no option {unknown[0]!r}, only 'scope' and 'namespace'")
        scope, namespace = given.get("scope") or "plugin", given.get("namespace")
        if scope not in ("plugin", "user"):
            raise ValueError(f"storage: the scope is 'plugin' or 'user', not {scope!r:.100}")
        user = None
        if scope == "user" and (user := (current_caller() or _NOBODY).user) is None:
            raise ValueError("storage: the scope 'user' needs a user, and this runs on nobody's behalf")
        return {"namespace": DEFAULT_NAMESPACE if namespace is None else namespace, "user": user}


class HttpApi(_Group):
    """Answers are `{"status", "statusText", "headers", "body"}`: a body of JSON as its value, another as text."""

    async def request(self, request: Mapping[str, Any] | None = None, **parts: Any) -> Shape:
        """`url`, `method`, `headers`, `body`, and `timeout` in milliseconds, at most 10,000."""
        given = {**(request or {}), **parts}
        timeout = given.get("timeout") or HTTP_TIMEOUT_S * 1000
        if not isinstance(timeout, int | float):
            raise ValueError(f"http.request: the timeout is milliseconds, not {timeout!r:.100}")
        with self._needing("http:outbound"):
            found = await self._services.http.request(
                str(given.get("method") or "GET").upper(),
                given.get("url", ""),
                headers=given.get("headers"),
                body=given.get("body"),
                timeout_s=min(timeout / 1000, HTTP_TIMEOUT_S),
            )
        return _response(found)

    async def get(self, url: str, headers: Mapping[str, str] | None = None) -> Shape:
        return await self.request(url=url, headers=headers)

    async def post(self, url: str, body: Any = None, headers: Mapping[str, str] | None = None) -> Shape:
        return await self.request(url=url, method="POST", body=body, headers=headers)


class SchedulerApi(_Group):
    def __init__(self, plugin_id: str, services: Services, logger: Logger) -> None:
        super().__init__(plugin_id, services)
        self._logger = logger

    async def schedule(self, name: str, when: float | str, handler: Callable[[], Any]) -> str:
        """The task's id. `when` is milliseconds between the end of one run and the next, or five fields of cron."""
        if not callable(handler):
            raise ValueError(f"scheduler.schedule {name}: the handler must be a function")

        async def run() -> None:
            await _settle(handler())

        with self._needing("scheduler:write"):
            return await self._services.scheduler.schedule(name, self._when(name, when), run)

    def _when(self, name: str, when: float | str) -> float | str:
        if isinstance(when, str):
            return when
        if isinstance(when, bool) or not isinstance(when, int | float) or not when > 0:
            raise ValueError(
                f"scheduler.schedule {name}: {when!r:.100} is neither milliseconds nor five fields of cron"
            )
        if when < SHORTEST_MS:
            self._logger.warn(f"task {name}: every {when} ms is too often; it runs every {SHORTEST_MS} ms")
        return max(when, SHORTEST_MS) / 1000

    async def cancel(self, task_id: str) -> bool:
        """Whether there was such a task."""
        with self._needing("scheduler:write"):
            return await self._services.scheduler.cancel(task_id)

    async def list(self) -> list[Shape]:
        with self._needing("scheduler:read"):
            return [_task(self._plugin, task) for task in await self._services.scheduler.list()]


class MemoryApi(_Group):
    async def search(self, query: str, user_id: str, limit: int | None = None) -> list[Shape]:
        """`{"id", "content", "type", "importance", "similarity", "createdAt"}` each, the most similar first."""
        with self._needing("memory:read"):
            found = await self._services.memory.search(query, user_id, **({} if limit is None else {"limit": limit}))
        return [_memory(memory) for memory in found]

    async def create(self, user_id: str, content: str, type: Any, importance: int | None = None) -> str:  # noqa: A002
        """The memory's id. `type` is "episodic", "semantic" or "procedural"; `importance` 1 to 10, 5 where it is not
        said."""
        with self._needing("memory:write"):
            return await self._services.memory.create(
                user_id, content, type, **({} if importance is None else {"importance": importance})
            )


class UsersApi(_Group):
    async def get(self, user_id: str) -> Shape | None:
        with self._needing("users:read"):
            found = await self._services.users.get(user_id)
        return None if found is None else _user(found)

    async def get_preferences(self, user_id: str) -> Shape:
        with self._needing("users:read"):
            return Shape(await self._services.users.preferences(user_id))


class ConfigApi:
    def __init__(self, config: Mapping[str, Any]) -> None:
        self._config = config

    def get(self, key: str, default: Any = None) -> Any:
        return deepcopy(self._config[key]) if key in self._config else default


class Logger:
    """Each line begins with `[Plugin:{id}]`; further arguments are shown behind it. `debug` tells nothing outside of
    development."""

    def __init__(self, plugin_id: str, log: Any, *, development: bool) -> None:
        self._prefix, self._log, self._development = f"[Plugin:{plugin_id}]", log, development

    def debug(self, message: object, *rest: object) -> None:
        if self._development:
            self._log.debug(self._line(message, rest))

    def info(self, message: object, *rest: object) -> None:
        self._log.info(self._line(message, rest))

    def warn(self, message: object, *rest: object) -> None:
        self._log.warning(self._line(message, rest))

    def error(self, message: object, *rest: object) -> None:
        self._log.error(self._line(message, rest))

    def tell(self, level: str, message: object) -> None:
        """By the level's name; one that there is not is `info`."""
        getattr(self, level if level in _LEVELS else "info")(message)

    def _line(self, message: object, rest: tuple[object, ...]) -> str:
        """What is told over several lines looks like one entry, and nothing in it steers a terminal."""
        said = " ".join((str(message), *(one if isinstance(one, str) else repr(one) for one in rest)))
        return f"{self._prefix} {_CONTROL.sub(_escape, said)}".replace("\n", "\n    ")


@contextmanager
def _told_by_guide(plugin_id: str, permission: str) -> Iterator[None]:
    """Refusals in the guide's words. A service that is absent names one of the permissions that would bring it: meant
    is the call's own."""
    try:
        yield
    except NotGranted as error:
        lacking = permission if error.permission in NEEDED.values() else error.permission
        raise PermissionError(f"Plugin {plugin_id} does not have '{lacking}' permission") from error
    except RateLimited as error:
        raise RateLimited(
            _rate_limit(plugin_id, error), plugin=error.plugin, retry_after_s=error.retry_after_s
        ) from error


def _rate_limit(plugin_id: str, error: RateLimited) -> str:
    start = f"Rate limit exceeded for plugin {plugin_id}"
    return error.message if error.message.startswith(start) else f"{start}: {error.message}"


def read_result(answer: Any, tool: str) -> ToolReply:
    """A handler's answer. Raises `ValueError` for one that is none."""
    if isinstance(answer, ToolReply):
        return answer
    if not isinstance(answer, Mapping) or not isinstance(answer.get("success"), bool):
        raise ValueError(f"Tool {tool} answered {_kind(answer)}: a handler answers {{success, result, error}}")
    error = answer.get("error")
    # An error as JavaScript has it.
    words = error.get("message", error) if isinstance(error, Mapping) else error
    return ToolReply(
        success=answer["success"], result=answer.get("result"), error=None if words is None else str(words)
    )


def _kind(answer: Any) -> str:
    if isinstance(answer, Mapping):
        return "without `success`" if "success" not in answer else "a `success` that is neither true nor false"
    return "nothing" if answer is None else f"a {type(answer).__name__}"


async def _settle(answer: Any) -> Any:
    """Handlers may be async or not."""
    return await answer if inspect.isawaitable(answer) else answer


def _storable(value: Any) -> Any:
    """Dates and bytes may stand anywhere in it, and come back as they were. Raises `ValueError`."""
    return value if isinstance(value, bytes | datetime) else pack(value)


def _escape(found: re.Match[str]) -> str:
    return repr(found[0])[1:-1]


def _camel(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(part.capitalize() for part in rest)


def _result(reply: ToolReply) -> Shape:
    error = {} if reply.error is None else {"error": reply.error}
    return Shape(success=reply.success, result=reply.result, **error)


def _event(event: Event) -> Shape:
    return Shape(type=event.type, timestamp=event.at, data=Shape(event.data), source=event.source)


def _response(response: HttpResponse) -> Shape:
    """Raises `ValueError` where the server says that it is JSON and it is none."""
    body: Any = response.text()
    kind = response.headers.get("content-type", "").partition(";")[0].strip().lower()
    if body and (kind == "application/json" or kind.endswith("+json")):
        try:
            body = response.json()
        except msgspec.DecodeError as error:
            raise ValueError(f"the answer of {response.url} is no JSON: {error}") from error
    return Shape(status=response.status, statusText=response.reason, headers=dict(response.headers), body=body)


def _task(plugin_id: str, task: ScheduledTask) -> Shape:
    schedule = task.schedule if isinstance(task.schedule, str) else str(round(task.schedule * 1000))
    known = {"lastRun": task.last_run, "nextRun": task.next_run}
    runs = {key: value for key, value in known.items() if value is not None}
    return Shape(
        id=task.id, pluginId=plugin_id, name=task.name, schedule=schedule, handler=task.name, enabled=True, **runs
    )


def _memory(memory: Memory) -> Shape:
    return Shape(
        id=memory.id,
        content=memory.content,
        type=memory.type,
        importance=memory.importance,
        similarity=memory.similarity,
        createdAt=memory.created_at,
    )


def _user(user: User) -> Shape:
    name = {} if user.name is None else {"name": user.name}
    return Shape(id=user.id, **name, createdAt=user.created_at)
