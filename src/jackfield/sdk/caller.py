"""On whose behalf something runs. It travels with the task, so that no plugin has to pass it on, and none can forge
it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

import msgspec


class Caller(msgspec.Struct, frozen=True, kw_only=True):
    """`user` is whoever the request is made for: the identity's user, else whom the app names as its own end user, with
    the app before it (`app/alice`), else the credential. `admin` is whether a plugin's path is asked with an admin's
    key. `depth` counts the tool calls that this one stands in."""

    user: str | None = None
    app: str | None = None
    credential: str | None = None
    conversation: str | None = None
    request: str | None = None
    models: frozenset[str] = frozenset()
    admin: bool = False
    depth: int = 0


FindCaller = Callable[[], Caller]

_CALLER: ContextVar[Caller | FindCaller | None] = ContextVar("jackfield_caller", default=None)


def current_caller() -> Caller | None:
    """`None` where nobody asked: in `on_load`, in scheduled tasks."""
    found = _CALLER.get()
    if found is not None and not isinstance(found, Caller):
        found = found()
        _CALLER.set(found)
    return found


def known_caller() -> Caller | FindCaller | None:
    """As `current_caller`, but who was not asked for yet is not found out."""
    return _CALLER.get()


def act_for(find: Caller | FindCaller | None) -> None:
    """For the rest of the running task; who it is is found out when it is asked for."""
    _CALLER.set(find)


@contextmanager
def acting_for(caller: Caller | None) -> Iterator[None]:
    former = _CALLER.set(caller)
    try:
        yield
    finally:
        _CALLER.reset(former)
