"""Plugins that offer tools over `/mcp`."""

from __future__ import annotations

TOOLS = """
import asyncio

from jackfield.sdk import Plugin
from jackfield.sdk.tools import ToolContext, ToolFailed, tool

STATE = {"cancelled": 0}


class Kit(Plugin):
    id = "kit"
    permissions = ("tools:register",)

    @tool("Adds two numbers")
    async def add(self, a: int, b: int) -> dict:
        return {"sum": a + b}

    @tool("Says a text again")
    async def say(self, text: str) -> str:
        return text

    @tool("Fails")
    async def fail(self) -> str:
        raise ToolFailed("the well is dry")

    @tool("Breaks")
    async def broken(self) -> str:
        raise ValueError("a bug")

    @tool("Who asks?")
    async def who(self, context: ToolContext) -> dict:
        return {"user": context.caller.user, "app": context.caller.app}

    @tool("Waits until it is told not to")
    async def wait(self) -> str:
        try:
            await asyncio.Event().wait()
        finally:
            STATE["cancelled"] += 1

    @tool("How many calls were cancelled")
    async def cancelled(self) -> int:
        return STATE["cancelled"]

    @tool("Tells how far it is")
    async def climb(self, context: ToolContext) -> str:
        for step in (0.25, 0.5, 0.75):
            context.progress(step, f"at {step}")
            await asyncio.sleep(0)
        return "there"
"""
