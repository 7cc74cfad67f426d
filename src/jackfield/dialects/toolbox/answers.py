"""What a plugin's JavaScript asks of the host, and tells it: the host's side of the API in `js/toolbox.mjs`.

The code is a stranger's: that a call was checked there counts for nothing here.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable, Iterable
from typing import Any

from jackfield.clock import Clock
from jackfield.errors import PluginTimeout
from jackfield.runtimes.base import Diagnosis, Session
from jackfield.sdk.toolbox import PluginAPI

# A hook has less than the host gives it, so that the plugin is told of by the name of its hook.
HOOK_S = 9.0
# Longer than the host waits for the same: what is late is told of in the host's words.
TOOL_S, EVENT_S, TASK_S = 35.0, 35.0, 3_600.0
MOST_LINES, LINES_S = 200, 10.0
LONGEST_LINE = 8_000
MOST_TYPES = 200

Report = Callable[[bool, str], None]
_METHODS: dict[str, Callable[[PluginAPI], Callable[..., Awaitable[Any]]]] = {
    "executeTool": lambda api: api.execute_tool,
    "storage.get": lambda api: api.storage.get,
    "storage.set": lambda api: api.storage.set,
    "storage.delete": lambda api: api.storage.delete,
    "storage.list": lambda api: api.storage.list,
    "storage.clear": lambda api: api.storage.clear,
    "http.request": lambda api: api.http.request,
    "scheduler.cancel": lambda api: api.scheduler.cancel,
    "scheduler.list": lambda api: api.scheduler.list,
    "memory.search": lambda api: api.memory.search,
    "memory.create": lambda api: api.memory.create,
    "users.get": lambda api: api.users.get,
    "users.getPreferences": lambda api: api.users.get_preferences,
}


class ScriptAnswers:
    """`Answerer` for one plugin. `hello` is what its program is started with.

    What the code registered stays registered while it is gone, and answers so; once it is there again it registers
    anew, and what it did not is taken away.
    """

    def __init__(self, api: PluginAPI, hello: dict[str, Any], report: Report, clock: Clock) -> None:
        self._api, self._hello, self._report, self._clock = api, hello, report, clock
        self.enabled = False
        self._session: Session | None = None
        self._loading = False
        self._problem: str | None = None
        self._tools: set[str] = set()
        self._told: dict[str, Callable[[Any], Awaitable[Any]]] = {}
        self._tasks: dict[str, str] = {}
        self._fresh: set[tuple[str, str]] = set()
        self._lines: deque[float] = deque(maxlen=MOST_LINES)
        self._dropped = 0

    async def on_start(self, session: Session) -> None:
        """Raises where the code does not load, or has registered what cannot be offered."""
        self._session, self._loading = session, True
        self._fresh, self._problem = set(), None
        try:
            await self._run("its module", "start", self._hello)
            await self.run_hook("onLoad")
        finally:
            self._loading = False
        if self._problem is not None:
            raise ValueError(self._problem)
        await self._take_away_stale()
        if self.enabled:
            await self.run_hook("onEnable")
        self._report(True, "")

    def on_loss(self, diagnosis: Diagnosis) -> None:
        gone = f"its process is gone: {diagnosis.exit or diagnosis.state}"
        if diagnosis.state == "failed":
            gone += "; it is not started again: reload it with --force, or disable and enable it"
        self._report(False, gone)

    async def run_hook(self, name: str) -> None:
        await self._run(name, "hook", {"name": name})

    async def _run(self, step: str, method: str, params: dict[str, Any]) -> None:
        try:
            await self._code.call(method, params, deadline_s=HOOK_S)
        except PluginTimeout as error:
            raise PluginTimeout(f"{step} did not end within {HOOK_S:g} s", plugin=error.plugin) from error

    @property
    def _code(self) -> Session:
        assert self._session is not None, "nothing was started"
        return self._session

    async def answer(self, method: str, params: Any) -> Any:
        given = params if isinstance(params, list) else []
        if method == "scheduler.schedule":
            return await self._schedule(*given)
        found = _METHODS.get(method)
        if found is None:
            raise ValueError(f"the API has no {method!r:.100}")
        return await found(self._api)(*given)

    def hear(self, method: str, params: Any) -> None:
        """A boundary: what is wrong with what the code tells is the plugin's problem."""
        try:
            told = params if isinstance(params, dict) else {}
            if method == "log":
                self._log(str(told.get("level")), str(told.get("text"))[:LONGEST_LINE])
            elif method == "registerTool":
                self._register(told)
            elif method == "unregisterTool":
                self._unregister(str(told.get("name")))
            elif method == "subscribe":
                self._subscribe(str(told.get("type")))
            elif method == "unsubscribe":
                self._unsubscribe(str(told.get("type")))
            elif method == "emit":
                self._api.events.emit(told.get("type", ""), told.get("data"))
        except Exception as error:  # noqa: BLE001 - the boundary of the docstring
            self._note(f"{method}: {error}"[:LONGEST_LINE])

    def _note(self, problem: str) -> None:
        """While it loads the first keeps the plugin out; later there is nobody to tell but the log."""
        if self._loading:
            self._problem = self._problem or problem
        else:
            self._log("error", problem)

    def _log(self, level: str, text: str) -> None:
        """More lines than a log can bear are counted instead."""
        now = self._clock.monotonic()
        if len(self._lines) == MOST_LINES and now - self._lines[0] < LINES_S:
            self._dropped += 1
            return
        if self._dropped:
            self._api.logger.warn(f"{self._dropped} lines were dropped: more than {MOST_LINES} in {LINES_S:g} s")
            self._dropped = 0
        self._lines.append(now)
        self._api.logger.tell(level, text)

    def _register(self, told: dict[str, Any]) -> None:
        name = told.get("name", "")
        if name in self._tools and ("tool", name) not in self._fresh:
            self._unregister(name)

        async def run(given: dict[str, Any], context: Any) -> Any:
            return await self._code.call("tool", {"name": name, "input": given, "context": context}, deadline_s=TOOL_S)

        self._api.register_tool(
            name=name, description=told.get("description"), input_schema=told.get("inputSchema"), handler=run
        )
        self._tools.add(name)
        self._fresh.add(("tool", name))

    def _unregister(self, name: str) -> None:
        self._api.unregister_tool(name)
        self._tools.discard(name)

    def _subscribe(self, type_: str) -> None:
        if type_ in self._told:
            self._fresh.add(("event", type_))
            return
        if len(self._told) >= MOST_TYPES:
            raise ValueError(f"the plugin listens for {MOST_TYPES} types of events already")

        async def tell(event: Any) -> Any:
            return await self._code.call("event", event, deadline_s=EVENT_S)

        self._api.events.on(type_, tell)
        self._told[type_] = tell
        self._fresh.add(("event", type_))

    def _unsubscribe(self, type_: str) -> None:
        if (tell := self._told.pop(type_, None)) is not None:
            self._api.events.off(type_, tell)

    async def _schedule(self, name: Any, when: Any) -> str:
        name = str(name)

        async def run() -> None:
            await self._code.call("task", {"name": name}, deadline_s=TASK_S)

        self._tasks[name] = await self._api.scheduler.schedule(name, when, run)
        self._fresh.add(("task", name))
        return self._tasks[name]

    async def _take_away_stale(self) -> None:
        for name in self._stale("tool", self._tools):
            self._unregister(name)
        for type_ in self._stale("event", self._told):
            self._unsubscribe(type_)
        for name in self._stale("task", self._tasks):
            await self._api.scheduler.cancel(self._tasks.pop(name))

    def _stale(self, kind: str, names: Iterable[str]) -> list[str]:
        return [name for name in names if (kind, name) not in self._fresh]
