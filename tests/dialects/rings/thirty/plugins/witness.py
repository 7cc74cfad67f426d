"""Writes down what the others left in the metadata, and reads it out to whoever asks for it."""

import json

from core.plugin_sdk import PluginResponse
from plugins.default.neural_router import CHOSEN


async def witness(ctx):
    told = {name: value for name, value in ctx.metadata.items() if name != "rotator" and _is_json(value)}
    told["target_endpoint"] = str(ctx.metadata.get("target_endpoint"))
    told["_chosen"] = dict(CHOSEN)
    told["_ab_meta"] = ctx.body.get("_ab_meta")
    await ctx.state.extra["store"].set_state(f"witness:{ctx.metadata['req_id']}", told)


async def read_out(ctx):
    content = ctx.body["messages"][-1]["content"] if ctx.body.get("messages") else None
    if not isinstance(content, str) or not content.startswith("read out "):
        return None
    found = await ctx.state.extra["store"].get_state(content.removeprefix("read out "))
    message = {"role": "assistant", "content": json.dumps(found)}
    return PluginResponse.cache_hit({"choices": [{"message": message, "finish_reason": "stop"}]})


def _is_json(value):
    try:
        json.dumps(value)
    except TypeError:
        return False
    return True
