"""What models write that no tool can read."""

from __future__ import annotations

import json
from typing import Any

import pytest

from jackfield.testing import Answer, Reply
from jackfield.wire.chat import ToolCall

from .conftest import World
from .worlds import asking, run_tools, text_of

pytestmark = pytest.mark.asyncio(loop_scope="module")

CHAT = "/v1/chat/completions"


def nested(levels: int) -> str:
    return '{"a":' * levels + "1" + "}" * levels


@pytest.mark.parametrize("arguments", ["[" * 5000, nested(900), nested(300), '{"a":1e999}', "{}{}", "null", '{"a":'])
async def test_it_is_told_what_is_wrong_and_goes_on(world: World, arguments: str) -> None:
    call = ToolCall(id="call_1", name="plugin_kit_add", arguments=arguments)
    world.openai.script(Answer.reply(Reply(tool_calls=(call,), finish="tool_calls")), Answer.text("Sorry."))
    run_tools(world.gateway, timeout_s=4)
    called = await world.ask(CHAT, asking(CHAT, "via-openai", "add"))
    assert text_of(called) == "Sorry."
    told: Any = json.loads(world.openai.requests[1].json["messages"][-1]["content"])
    assert told["error"].startswith("Invalid input for plugin_kit_add: ")
