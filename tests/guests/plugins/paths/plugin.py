"""Answers requests of its own."""

from typing import Any

from jackfield.sdk import Plugin, route


class Paths(Plugin):
    @route("/hello")
    async def greet(self) -> Any:
        return {"hello": "you"}
