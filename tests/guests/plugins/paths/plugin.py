"""Answers requests of its own."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

from fastapi import HTTPException, Request, Response
from fastapi.responses import StreamingResponse

from jackfield.sdk import Plugin, current_caller, route


class Paths(Plugin):
    permissions = ("routes:public", "storage:read", "storage:write")
    ended = 0

    @route("/")
    async def show(self) -> Any:
        headers = {"x-own": "1", "set-cookie": "session=stolen"}
        return Response("<p>hi</p>", media_type="text/html", headers=headers)

    @route("/things/{thing}")
    async def find(self, thing: int, times: int = 1) -> Any:
        if thing == 404:
            raise HTTPException(404, "no such thing")
        if thing == 500:
            raise KeyError("its own words")
        caller = current_caller()
        count = await self.services.kv.increment("found")
        return {"thing": thing * times, "count": count, "app": caller.app if caller else None}

    @route("/things", methods=["POST"], public=True)
    async def take(self, request: Request) -> Any:
        return {"size": len(await request.body()), "headers": dict(request.headers)}

    @route("/none", methods=["DELETE"], status_code=204)
    async def drop(self) -> None:
        return

    @route("/numbers")
    async def count(self) -> Any:
        return StreamingResponse(self._count(), media_type="text/plain")

    async def _count(self) -> AsyncIterator[str]:
        try:
            for number in range(2):
                yield f"{number}\n"
            await asyncio.get_running_loop().create_future()
        finally:
            self.ended += 1

    @route("/ended")
    async def tell(self) -> int:
        return self.ended
