"""Notes of users: kept in storage, found through memory, tidied by a task."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

from pydantic import Field

from jackfield.sdk import Plugin, PluginConfig, ToolContext, ToolFailed, TooManyMemories, task, tool

NOTES = "notes"
OWNERS = "owners"
TIDIED = "tidied"
# A plugin has 100 operations a minute, and the tools need some of them while the task runs.
TIDIED_AT_ONCE = 30
TRIES = 5

Note = dict[str, Any]
Text = Annotated[str, Field(min_length=1, max_length=2000, description="What to remember, in a sentence or a few")]
Query = Annotated[str, Field(min_length=1, max_length=500, description="What the note is about, in any words")]


class NotesConfig(PluginConfig):
    most: int = Field(100, ge=1, le=1000, description="How many notes a user may have")
    keep_days: int = Field(365, ge=1, le=36_500, description="After how many days a note is forgotten")


class Notes(Plugin[NotesConfig]):
    """Each user sees their own. A note is `{id, text, at}`; its id is that of the memory by which it is found, and `at`
    is text, since within a stored value there may be nothing but JSON."""

    # What a test puts a clock of its own in the place of.
    now: Callable[[], datetime] = staticmethod(lambda: datetime.now(UTC))

    @tool("Writes a note down for the user")
    async def add(self, text: Text, context: ToolContext) -> Note:
        user = _user(context)
        if len(await self._read(user)) >= self.config.most:
            raise ToolFailed(f"There are {self.config.most} notes, and no room for another")
        await self.services.kv.set(user, True, namespace=OWNERS)
        try:
            memory = await self.services.memory.create(user, text, "semantic")
        except TooManyMemories as error:
            raise ToolFailed(str(error)) from error
        note = {"id": memory, "text": text, "at": self.now().isoformat(timespec="seconds")}
        await self._change(user, lambda notes: [*(one for one in notes if one["id"] != memory), note])
        return note

    @tool("Finds the user's notes that are about something, the best first")
    async def search(
        self, query: Query, context: ToolContext, limit: Annotated[int, Field(ge=1, le=20)] = 5
    ) -> list[dict[str, Any]]:
        """Memories are the user's, whoever made them; those that are no notes are left out."""
        user = _user(context)
        notes = {note["id"]: note for note in await self._read(user)}
        found = await self.services.memory.search(query, user, limit=100)
        hits = [memory for memory in found if memory.id in notes][:limit]
        return [notes[memory.id] | {"similarity": round(memory.similarity, 3)} for memory in hits]

    @tool("Lists the user's notes, the latest first", name="list")
    async def list_notes(self, context: ToolContext, limit: Annotated[int, Field(ge=1, le=100)] = 20) -> dict[str, Any]:
        notes = await self._read(_user(context))
        return {"notes": notes[::-1][:limit], "of": len(notes)}

    @tool("Deletes a note of the user")
    async def delete(self, id: str, context: ToolContext) -> str:  # noqa: A002 - as it is called in a note
        user = _user(context)
        if not any(note["id"] == id for note in await self._read(user)):
            raise ToolFailed(f"There is no note {id!r}")
        await self._change(user, lambda notes: [note for note in notes if note["id"] != id])
        return "It is deleted"

    @tool("Gives all notes of the user as one Markdown text")
    async def export(self, context: ToolContext) -> str:
        notes = await self._read(_user(context))
        parts = (f"## {datetime.fromisoformat(note['at']):%Y-%m-%d %H:%M} UTC\n\n{note['text']}\n" for note in notes)
        return "\n".join(["# Notes\n", *parts])

    @task(every_s=3600)
    async def tidy(self) -> None:
        """Forgets what is old, of some users each time; it goes on where it stopped."""
        kv = self.services.kv
        owners = await kv.list(namespace=OWNERS)
        last = await kv.get(TIDIED, "")
        turn = [owner for owner in owners if owner > last][:TIDIED_AT_ONCE]
        for owner in turn:
            await self._tidy(owner)
        await kv.set(TIDIED, turn[-1] if len(turn) == TIDIED_AT_ONCE else "")

    async def _tidy(self, user: str) -> None:
        oldest = self.now() - timedelta(days=self.config.keep_days)

        def is_young(note: Note) -> bool:
            return datetime.fromisoformat(note["at"]) >= oldest

        if not all(map(is_young, await self._read(user))):
            await self._change(user, lambda notes: [note for note in notes if is_young(note)])

    async def _read(self, user: str) -> list[Note]:
        found: list[Note] = await self.services.kv.get(NOTES, [], user=user)
        return found

    async def _change(self, user: str, change: Callable[[list[Note]], list[Note]]) -> None:
        """Two calls at once both count: who comes second does it again, with what the first one left."""
        for _ in range(TRIES):
            former = await self.services.kv.get(NOTES, user=user)
            if await self.services.kv.compare_and_set(NOTES, former, change(former or []), user=user):
                return
        raise ToolFailed("The notes are being changed by others all the time: try again")


def _user(context: ToolContext) -> str:
    if context.caller.user is None:
        raise ToolFailed("Notes belong to a user, and this call is made for nobody")
    return context.caller.user
