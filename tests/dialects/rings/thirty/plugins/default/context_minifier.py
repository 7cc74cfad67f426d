"""Takes comments and empty lines out of a long last message."""

import re


async def compress(ctx):
    messages = ctx.body.get("messages", [])
    last = messages[-1].get("content") if messages else None
    if not isinstance(last, str) or len(last) <= 1000:
        return
    short = re.sub(r"^\s*(#|//).*$", "", last, flags=re.MULTILINE)
    short = re.sub(r"\n\s*\n+", "\n", short)
    messages[-1]["content"] = short
    ctx.metadata["minified"] = len(last) - len(short)
    await ctx.metadata["rotator"]._add_log(f"minified by {len(last) - len(short)}")
