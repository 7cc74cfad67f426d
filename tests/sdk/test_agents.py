"""Agents as plugins declare them."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from jackfield.sdk import Plugin, PluginConfig
from jackfield.sdk.agents import AgentSpec, agent, agents_of


class Config(PluginConfig):
    model: str = "small"


class Office(Plugin[Config]):
    agents = (AgentSpec(id="porter", model="tiny"),)

    @agent("clerk", instructions="Be brief.", tools=("plugin_office_*",), max_turns=3)
    def clerk(self, spec: AgentSpec) -> AgentSpec:
        """Answers questions."""
        return msgspec.structs.replace(spec, model=self.config.model)

    @agent("guard", "Guards the door")
    def guard(self, spec: AgentSpec) -> None:
        """What is declared stands."""


def test_agents_are_listed_or_marked_methods() -> None:
    porter, clerk, guard = agents_of(Office("office", Config(model="large")))
    assert porter == AgentSpec(id="porter", model="tiny")
    assert (clerk.id, clerk.model, clerk.max_turns) == ("clerk", "large", 3)
    assert clerk.description == "Answers questions."
    assert (guard.description, guard.tools, guard.model) == ("Guards the door", ("*",), None)


def test_a_plugin_without_agents_has_none() -> None:
    assert agents_of(Plugin("plain", PluginConfig())) == ()


@pytest.mark.parametrize("fields", [{"id": "A"}, {"id": "a b"}, {"id": ""}, {"id": "a", "max_turns": 21}])
def test_what_no_path_or_bound_allows_is_refused(fields: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="agent"):
        AgentSpec(**fields)


def test_tools_are_a_tuple_of_names() -> None:
    with pytest.raises(TypeError, match="agent a: tools"):
        AgentSpec(id="a", tools="plugin_office_*")  # type: ignore[arg-type]


def test_a_marked_method_is_a_plain_one() -> None:
    with pytest.raises(TypeError, match="plain `def`"):

        @agent("clerk")
        async def clerk(self: Any, spec: AgentSpec) -> None: ...  # type: ignore[arg-type]


def test_what_is_no_agent_is_refused() -> None:
    class Wrong(Plugin):
        agents = ("clerk",)

    with pytest.raises(TypeError, match="str is no AgentSpec"):
        agents_of(Wrong("wrong", PluginConfig()))
