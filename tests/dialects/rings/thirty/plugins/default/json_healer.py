"""Closes JSON that was cut off in the middle."""

import json


async def repair(ctx):
    body = getattr(ctx.response, "body", None)
    if not body or not body.lstrip().startswith(b"{"):
        return
    answer = json.loads(body)
    for choice in answer.get("choices", []):
        text = choice["message"].get("content") or ""
        if text.startswith("{") and not _is_json(text):
            choice["message"]["content"] = (
                text + '"' * (text.count('"') % 2) + "}" * (text.count("{") - text.count("}"))
            )
            ctx.response.body = json.dumps(answer).encode()


def _is_json(text):
    try:
        json.loads(text)
    except ValueError:
        return False
    return True
