"""Agents: a model with instructions and tools, asked at `POST /v1/agents/{id}`.

`@agent` marks a method that completes what is declared there; a plugin may also list `AgentSpec`s in `agents`.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from typing import Any, TypeVar

import msgspec

from jackfield.sdk.marks import marked_members

MOST_TURNS = 20
ALL_TOOLS = ("*",)
_ID = re.compile(r"^[a-z0-9][a-z0-9_-]{0,63}$")


class AgentSpec(msgspec.Struct, frozen=True, kw_only=True):
    """`model` is used where the request names none. `tools` are full names or globs; of these an agent has what its
    caller may use."""

    id: str
    description: str = ""
    model: str | None = None
    instructions: str = ""
    tools: tuple[str, ...] = ALL_TOOLS
    max_turns: int = MOST_TURNS

    def __post_init__(self) -> None:
        if not isinstance(self.id, str) or not _ID.fullmatch(self.id):
            raise ValueError(f"an agent's id is lower-case letters, digits, _ and -, not {self.id!r:.100}")
        if not 1 <= self.max_turns <= MOST_TURNS:
            raise ValueError(f"agent {self.id}: max_turns must be 1 to {MOST_TURNS}")
        if not isinstance(self.tools, tuple) or not all(isinstance(name, str) for name in self.tools):
            raise TypeError(f"agent {self.id}: tools must be a tuple of names")


AgentMethod = Callable[[Any, AgentSpec], AgentSpec | None]
F = TypeVar("F", bound=AgentMethod)
_MARK = "__jackfield_agent__"


def agent(
    id: str,  # noqa: A002 - the word of the path
    description: str = "",
    *,
    model: str | None = None,
    instructions: str = "",
    tools: tuple[str, ...] = ALL_TOOLS,
    max_turns: int = MOST_TURNS,
) -> Callable[[F], F]:
    """Marks a method as an agent. It is called once, with what is declared here, when the agent is first looked for;
    what it returns (from the plugin's config, say) takes its place, and nothing leaves it as it is.

    The description is the docstring's where none is given.
    """

    def mark(method: F) -> F:
        if inspect.iscoroutinefunction(method):
            raise TypeError(f"@agent {id}: {method.__qualname__} must be a plain `def`")
        spec = AgentSpec(
            id=id,
            description=description or inspect.getdoc(method) or "",
            model=model,
            instructions=instructions,
            tools=tools,
            max_turns=max_turns,
        )
        setattr(method, _MARK, spec)
        return method

    return mark


def agents_of(plugin: object) -> tuple[AgentSpec, ...]:
    """Those that an instance lists and those of its marked methods. Raises `TypeError` for what is no agent, and what a
    method raises."""
    found = [*getattr(plugin, "agents", ())]
    for name, marked in marked_members(type(plugin), _MARK):
        declared = getattr(marked, _MARK)
        found.append(getattr(plugin, name)(declared) or declared)
    for spec in found:
        if not isinstance(spec, AgentSpec):
            raise TypeError(f"{type(spec).__name__} is no AgentSpec")
    return tuple(found)
