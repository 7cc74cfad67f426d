"""The three kinds of upstream a client may meet, and how to get the same behaviour out of each."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from jackfield.testing import Upstream
from jackfield.testing.gateway import RunningGateway

SCHEMA = {
    "type": "object",
    "properties": {"city": {"type": "string"}, "days": {"type": "integer"}},
    "required": ["city", "days"],
    "additionalProperties": False,
}
SAMPLE = {"city": "sample", "days": 7}
KEY = "sk-upstream-key"


@dataclass(frozen=True)
class Kind:
    """`model` leads the gateway to an upstream of this kind."""

    name: str

    @property
    def model(self) -> str:
        return f"via-{self.name}"

    @property
    def scripted(self) -> bool:
        return self.name != "echo"

    def says(self, text: str) -> str:
        """What to ask so that the model says `text`."""
        return text.removeprefix("You said: ") if self.scripted else write_script(text=text)

    def calls(self, *tools: str) -> str:
        """What to ask so that the model calls these tools, each with `SAMPLE`."""
        if self.scripted:
            return f"Use {' and '.join(tools)}"
        return write_script(tool_calls=[{"name": tool, "arguments": SAMPLE} for tool in tools])

    def thinks(self, thought: str, text: str) -> str:
        if self.scripted:
            return text.removeprefix("You said: ")
        return write_script(thinking=thought, text=text)


def write_script(**told: Any) -> str:
    """A message that tells the echo provider what to answer."""
    return f"echo: {json.dumps(told)}"


@dataclass(frozen=True)
class World:
    """A gateway with an upstream of each kind."""

    gateway: RunningGateway
    upstreams: Mapping[str, Upstream]

    def last_request(self, kind: Kind) -> Any:
        """What the upstream received last."""
        return self.upstreams[kind.name].requests[-1].json
