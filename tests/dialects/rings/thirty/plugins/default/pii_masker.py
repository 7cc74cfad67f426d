"""Masks what identifies people before it leaves the house."""


async def mask(ctx):
    security = ctx.metadata["rotator"].security
    for message in ctx.body.get("messages", []):
        content = message.get("content")
        if isinstance(content, str) and (masked := security.mask_pii(content)) != content:
            message["content"] = masked
            ctx.metadata["pii_masked"] = True
    if ctx.metadata.get("pii_masked"):
        await ctx.metadata["rotator"]._add_log("masked", trace_id=ctx.metadata["req_id"])
