"""Every service, used by tools: what each did is its answer."""

from datetime import UTC, datetime
from typing import Any

from jackfield.sdk import (
    EgressRefused,
    Event,
    NotGranted,
    Plugin,
    RateLimited,
    ToolContext,
    ToolFailed,
    ToolRefusal,
    ToolReply,
    ToolSpec,
    current_caller,
    subscribe,
    task,
    tool,
)

MOMENT = datetime(2025, 2, 3, 4, 5, 6, 789000, tzinfo=UTC)


class Granted(Plugin):
    def __init__(self, *given: Any) -> None:
        super().__init__(*given)
        self.heard: list[Any] = []
        self.runs = 0

    @tool("Stores and reads values of every kind.")
    async def store(self) -> Any:
        kv = self.services.kv
        values = {"at": MOMENT, "data": b"\xff", "list": [1, {"deep": None}], "big": 2**70}
        for name, value in values.items():
            await kv.set(name, value, namespace="kinds")
        same = [await kv.get(name, namespace="kinds") == value for name, value in values.items()]
        missing = await kv.get("nothing", sentinel := object())
        counted = await kv.increment("counter", 2), await kv.increment("counter")
        swapped = await kv.compare_and_set("flag", None, "up"), await kv.compare_and_set("flag", None, "up")
        listed = await kv.list("", namespace="kinds")
        gone = await kv.delete("at", namespace="kinds"), await kv.delete("at", namespace="kinds")
        left = await kv.clear(namespace="kinds")
        return [same, missing is sentinel, counted, swapped, listed, gone, left]

    @tool("What the storage refuses.")
    async def refuse(self) -> Any:
        told = []
        for value in (object(), {1: 2}, datetime(2025, 1, 1), "\ud800", "x" * 11_000_000):  # noqa: DTZ001 - it is refused
            try:
                await self.services.kv.set("k", value)
            except Exception as error:  # noqa: BLE001 - what is raised is what is told
                told.append(type(error).__name__)
        return told

    @tool("What was asked for, and what it costs.")
    async def books(self) -> Any:
        usage = self.services.usage
        spread = await usage.percentiles("total_ms", {"group_by": "model"})
        try:
            await usage.query({"modle": "x"})
        except ValueError as error:
            first = (await usage.prices())[-1][0]
            return [
                await usage.query({"limit": "1"}),
                spread,
                str(error),
                type(first).__name__,
                first.as_of.year > 2000,
            ]

    @tool("Of another user than the one who asks.")
    async def others(self, user: str) -> Any:
        caller = current_caller()
        assert caller is not None
        await self.services.kv.set("mine", 1, user=caller.user)
        try:
            await self.services.kv.get("mine", user=user)
        except NotGranted as error:
            return [caller.user, await self.services.kv.get("mine", user=caller.user), error.permission, error.plugin]

    @tool("Sends a request.")
    async def send(self, url: str) -> Any:
        try:
            answer = await self.services.http.post(url, {"q": 1}, headers={"x-a": "b"})
        except EgressRefused as error:
            return f"refused: {error.message}"
        return [answer.status, answer.json(), answer.headers["content-type"], answer.url]

    @tool("Remembers and finds.")
    async def remember(self, user: str) -> Any:
        made = await self.services.memory.create(user, "likes tea", "semantic", 7)
        found = (await self.services.memory.search("tea", user))[0]
        try:
            await self.services.memory.create(user, "", "semantic")
        except ValueError as error:
            refused = str(error)
        return [made == found.id, found.content, found.importance, found.created_at.tzinfo is not None, refused]

    @tool("Who the user is.")
    async def who(self, user: str) -> Any:
        found = await self.services.users.get(user)
        return [found and found.id, dict(await self.services.users.preferences(user))]

    @tool("Uses more than is allowed.")
    async def hurry(self) -> Any:
        for _ in range(200):
            try:
                await self.services.kv.get("k")
            except RateLimited as error:
                return [error.status, error.plugin, error.retry_after_s is not None and error.retry_after_s > 0]
        return None

    @tool("Calls others.")
    async def execute(self) -> Any:
        fine = await self.services.tools.execute("echo", {"text": "hi"})
        bad = await self.services.tools.execute("echo", {"text": 5})
        unknown = await self.services.tools.execute("plugin_nobody_none", {})
        return [(reply.success, reply.result, reply.error) for reply in (fine, bad, unknown)]

    @tool("Answers with what it was given.")
    async def echo(self, text: str, context: ToolContext) -> Any:
        context.progress(0.5, "half way")
        return {"text": text, "tool": context.tool, "depth": context.caller.depth}

    @tool("Goes wrong.")
    async def fail(self, how: str) -> Any:
        if how == "failed":
            raise ToolFailed("no such city")
        if how == "reply":
            return ToolReply(success=False, result=[1], error="half done")
        if how == "object":
            return object()
        if how == "exit":
            raise SystemExit(1)
        raise KeyError(how)

    @tool("Registers another, and again.")
    async def register(self) -> Any:
        async def late(arguments: dict[str, Any], context: ToolContext) -> Any:
            return sorted(arguments)

        told = []
        for name in ("late", "late", "not a name"):
            try:
                self.services.tools.register(ToolSpec(name=name, description="Late."), late)
            except ValueError as error:
                told.append(str(error))
        return told

    @tool("Takes it away.")
    async def unregister(self) -> None:
        self.services.tools.unregister("late")

    @subscribe("city:found", "tool:before_execute")
    async def hear(self, event: Event) -> Any:
        if event.type == "tool:before_execute":
            return ToolRefusal("not on Sundays") if event.data["input"].get("how") == "refused" else None
        self.heard.append([event.type, dict(event.data), event.source, event.at.tzinfo is not None])
        return None

    @tool("Emits, and tells what was heard.")
    async def emit(self) -> Any:
        self.services.events.emit("city:lost", {"name": "Ys"})
        try:
            self.services.events.emit("city:lost", {"name": object()})
        except ValueError as error:
            return [self.heard, str(error)]

    @task(every_s=60)
    async def tick(self) -> None:
        self.runs += 1

    @tool("Schedules.")
    async def schedule(self) -> Any:
        scheduler = self.services.scheduler
        await scheduler.schedule("once", 5, self.tick, once=True)
        try:
            await scheduler.schedule("never", "no cron", self.tick)
        except ValueError as error:
            refused = str(error)
        listed = [(one.name, one.schedule, one.runs) for one in await scheduler.list()]
        gone = [await scheduler.cancel(one.id) for one in await scheduler.list() if one.name == "once"]
        return [listed, gone, self.runs, refused]
