"""Gives masked data back to whose it is, and refuses answers that smuggle."""

from fastapi import Response


async def cleanse(ctx):
    body = getattr(ctx.response, "body", None)
    if not body:
        return
    rotator, text = ctx.metadata["rotator"], body.decode()
    if "javascript:" in text:
        rotator.logger.warning("refused an answer")
        ctx.error, ctx.stop_chain = "The answer held a script", True
        return
    clean = rotator.security.sanitize_response(text)
    if clean != text:
        ctx.response = Response(content=clean, status_code=ctx.response.status_code, media_type="application/json")
