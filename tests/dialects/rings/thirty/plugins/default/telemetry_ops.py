"""The numbers of an exchange."""

import json
import time

from core.pricing import estimate_cost
from core.tokenizer import count_messages_tokens, count_tokens


async def record(ctx):
    model, answer = ctx.body.get("model", ""), ""
    if getattr(ctx.response, "body", None):
        choices = json.loads(ctx.response.body).get("choices") or [{}]
        answer = choices[0].get("message", {}).get("content") or ""
    tokens_in = count_messages_tokens(ctx.body.get("messages", []), model)
    tokens_out = count_tokens(answer, model)
    ctx.metadata["metrics"] = {
        "timestamp": time.time(),
        "tokens_in": tokens_in,
        "tokens_out": tokens_out,
        "cost_usd": estimate_cost(model, tokens_in, tokens_out),
        "model": model,
    }
    ctx.state.metrics.increment("exchanges")
    await ctx.metadata["rotator"]._add_log(f"{model} at {ctx.metadata.get('target_endpoint')}", level="DEBUG")
