"""What is remembered of users: a user's own to have, to correct, and to have forgotten."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field

from jackfield.errors import Unprocessable
from jackfield.server.admin.errors import CHANGE_ERRORS, ERRORS, MISSING, NAME_ERRORS, WRONG_PARAMETER
from jackfield.server.admin.services import Caller, Services
from jackfield.services.memory import LONGEST_USER, MOST_IMPORTANT, check_content, check_text
from jackfield.stores.memory_rows import StoredMemory

LONGEST_PAGE = 1000
HIDDEN = ("seq", "digest")

User = Annotated[str, Query(description="Whose memories: what plugins are told is the caller's user")]
Limit = Annotated[int, Query(ge=1, le=LONGEST_PAGE)]
Cursor = Annotated[int | None, Query(ge=1, le=2**63 - 1, description="`next` of the page before")]


class Revision(BaseModel):
    """What is not given stays as it is."""

    model_config = ConfigDict(extra="forbid", strict=True)

    content: str | None = None
    importance: Annotated[int, Field(ge=1, le=MOST_IMPORTANT)] | None = None


router = APIRouter(tags=["memories"])


@router.get("/api/v1/memories", responses=ERRORS | WRONG_PARAMETER)
async def export_memories(
    who: Caller, services: Services, user: User, limit: Limit = 100, cursor: Cursor = None
) -> dict[str, Any]:
    """All that is remembered of a user, newest first. `model` is the one that its embedding was made with."""
    _check("user", user)
    page = await services.memories.stored.page(user, limit, cursor)
    return {"data": [_show(memory) for memory in page], "next": page[-1].seq if len(page) == limit else None}


@router.delete("/api/v1/memories", responses=ERRORS | WRONG_PARAMETER)
async def forget_user(who: Caller, services: Services, user: User) -> dict[str, Any]:
    """Forgets all that is remembered of a user; `deleted` is how many memories that were."""
    _check("user", user)
    return {"deleted": await services.memories.forget_user(user, actor=who.id)}


@router.put("/api/v1/memories/{memory}", responses=CHANGE_ERRORS | MISSING)
async def revise_memory(memory: str, revision: Revision, who: Caller, services: Services) -> dict[str, Any]:
    """Changes the content or the importance of one memory."""
    if revision.content is None and revision.importance is None:
        raise Unprocessable("The body: give `content`, `importance` or both")
    if revision.content is not None:
        _check("content", revision.content)
    return _show(await services.memories.revise(memory, revision.content, revision.importance, actor=who.id))


@router.delete("/api/v1/memories/{memory}", responses=NAME_ERRORS)
async def forget_memory(memory: str, who: Caller, services: Services) -> dict[str, Any]:
    """Forgets one memory, and answers with what it was."""
    return _show(await services.memories.forget(memory, actor=who.id))


def _check(name: Literal["user", "content"], text: str) -> None:
    """Raises `Unprocessable`."""
    try:
        if name == "user":
            check_text(name, text, LONGEST_USER)
        else:
            check_content(text)
    except ValueError as error:
        raise Unprocessable(str(error), param=name) from error


def _show(memory: StoredMemory) -> dict[str, Any]:
    shown: dict[str, Any] = msgspec.structs.asdict(memory)
    return {name: value for name, value in shown.items() if name not in HIDDEN}
