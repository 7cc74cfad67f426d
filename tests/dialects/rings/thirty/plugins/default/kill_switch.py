"""Stops an answer that has run away."""

import re

from fastapi import Response

_WORD = re.compile(r"\b(\w+)(?:\W+\1\b){15,}")


async def analyze(ctx):
    body = getattr(ctx.response, "body", None)
    if not body or not _WORD.search(body.decode("utf-8", "replace")):
        return
    ctx.response = Response(
        content="[STOPPED: the answer repeats itself]",
        status_code=ctx.response.status_code,
        headers=dict(ctx.response.headers),
    )
    try:
        await ctx.metadata["rotator"]._add_log("stopped", level="WARNING")
    except KeyError:
        return
