"""The one protocol between a plugin's host side and the place its code runs in.

A `Session` is one plugin's code somewhere: it is started once, called, and stopped. Calls go both ways: what the code
asks for comes to the `Answerer`. Values are JSON with `bytes`, `datetime` (with a time zone) and `None`; they come out
as they went in.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any, Literal, Protocol

import msgspec

SessionState = Literal["new", "starting", "running", "waiting", "stopped", "failed"]


class Diagnosis(msgspec.Struct, frozen=True, kw_only=True):
    """How a session is, for operators. `waiting` is between a crash and the next start, `failed` when there will be
    none. `exit` says how the process ended last (`exit code 3`, `killed by SIGKILL: more than 256 MB of memory`);
    `last_words` are the last lines that it wrote. `layers` are the defences that are active around it; `pids` are all
    processes, where there may be several."""

    state: SessionState
    pid: int | None = None
    starts: int = 0
    exit: str | None = None
    last_words: str = ""
    layers: tuple[str, ...] = ()
    pids: tuple[int, ...] = ()


class Answerer(Protocol):
    """The host's side of a session. Each method runs on behalf of the call that it came out of: `current_caller()` is
    that call's, whatever the code says."""

    async def answer(self, method: str, params: Any) -> Any:
        """The code asks for something. What this raises the code gets as an error with the same text."""

    def hear(self, method: str, params: Any) -> None:
        """The code says something and waits for nothing. In order with its other calls and answers. Must not raise."""

    async def on_start(self, session: Session) -> None:
        """The code is there, for the first time or again after a crash: make it ready. Raising fails the start."""

    def on_loss(self, diagnosis: Diagnosis) -> None:
        """The code is gone without having been told to stop. Must not raise."""


class Session(Protocol):
    """Raises `SessionLost` where the code went away (crashed, was killed, or is not there now), `SessionDenied` where
    it answered with an error, and `PluginTimeout`; each tells the plugin's id. Raises `ValueError` for what cannot be
    sent: it is no such value, or larger than 16 MB. To cancel a call is to cancel the task that waits for it; the code
    is told."""

    async def start(self) -> None:
        """Returns when `on_start` is through. Raises `SessionLost` with the last words where it did not come up."""

    async def call(
        self, method: str, params: Any = None, *, deadline_s: float, sticky: str | None = None, into: Any = Any
    ) -> Any:
        """The answer, as `into`; raises `SessionDenied` where it is none. What has the same `sticky` goes to the same
        place, where the code runs in several."""

    def stream(
        self, method: str, params: Any = None, *, deadline_s: float, sticky: str | None = None, into: Any = Any
    ) -> AsyncIterator[Any]:
        """What the code yields, one by one, each as `into`; it waits while nobody takes. `deadline_s` is for each
        step."""

    def tell(self, method: str, params: Any = None, *, sticky: str | None = None) -> None:
        """Waits for nothing; dropped, and counted, where the code does not keep up. With `sticky` it is the last word
        to that place: which one it is can be forgotten. Without, each place is told."""

    async def ping(self, deadline_s: float) -> None:
        """Whether its loop turns."""

    async def stop(self, grace_s: float) -> None:
        """Asked to end, then made to. What is under way fails with `SessionLost`. Never raises; safe to repeat."""

    def diagnose(self) -> Diagnosis: ...
