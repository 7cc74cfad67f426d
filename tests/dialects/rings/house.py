"""A gateway with a folder of ring plugins, between a caller and a scripted upstream."""

from __future__ import annotations

import asyncio
import json
import secrets
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from jackfield.testing import Answer, Called, Upstream
from jackfield.testing.caller import Caller
from jackfield.testing.gateway import RunningGateway, run_gateway
from jackfield.testing.setup import link

THIRTY = Path(__file__).parent / "thirty" / "plugins"
CHAT, MESSAGES = "/v1/chat/completions", "/v1/messages"
MODELS = ("scripted", "small", "dear", "tiny", "rare", "golden", "control", "variant")


class House:
    def __init__(self, gateway: RunningGateway, upstream: Upstream, caller: Caller) -> None:
        self.gateway, self.upstream, self._caller = gateway, upstream, caller

    @asynccontextmanager
    async def for_another(self) -> AsyncIterator[House]:
        """The same one, for a caller with a key of its own."""
        made = await self.gateway.admin("/api/v1/credentials", "POST", {"name": secrets.token_hex(8)})
        async with self.gateway.caller(made.json["key"]) as caller:
            yield House(self.gateway, self.upstream, caller)

    async def chat(self, text: str, *, headers: dict[str, str] | None = None, **fields: Any) -> Called:
        body = {"model": "scripted", "messages": [{"role": "user", "content": text}], **fields}
        return await self._caller.call("POST", CHAT, body=body, headers=headers or {})

    async def message(self, text: str, **fields: Any) -> Called:
        """The same in the Anthropic API."""
        body = {"model": "scripted", "max_tokens": 50, "messages": [{"role": "user", "content": text}], **fields}
        return await self._caller.call("POST", MESSAGES, body=body)

    async def kept(self, key: str) -> Any:
        """What the plugins' store holds, read out by one of them."""
        return json.loads(text_of(await self.chat(f"read out {key}")))

    async def told(self, called: Called) -> dict[str, Any]:
        """What plugins left in the metadata of an exchange."""
        async with asyncio.timeout(5):
            while (found := await self.kept(f"witness:{called.headers['x-request-id']}")) is None:
                await asyncio.sleep(0.01)
        return dict(found)

    @property
    def asked(self) -> Any:
        """The last body that the upstream received."""
        return self.upstream.requests[-1].json

    async def plugins(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = (await self.gateway.admin("/api/v1/plugins")).json["plugins"]
        return [plugin for plugin in found if plugin["dialect"] == "ring"]


@asynccontextmanager
async def open_house(folder: Path, upstream: Upstream, source: Path = THIRTY) -> AsyncIterator[House]:
    if not (folder / "plugins").exists():
        shutil.copytree(source, folder / "plugins", ignore=shutil.ignore_patterns("__pycache__"))
    upstream.models = MODELS
    upstream.always(Answer.text("an answer of no consequence"))
    upstreams = [link(upstream, name="main", models=MODELS), link(upstream, name="spare", models=MODELS, priority=1)]
    async with run_gateway(folder, upstreams=upstreams) as gateway, gateway.caller() as caller:
        yield House(gateway, upstream, caller)


def text_of(called: Called) -> str:
    """The text of a completion, whole or streamed, of either API."""
    assert called.status == 200, called.body
    if "event-stream" not in called.headers["content-type"]:
        return _whole(called.json)
    events = [json.loads(data) for _, data in called.events if data != "[DONE]"]
    assert not any("error" in event for event in events), events
    return "".join(_delta(event) for event in events)


def error_of(called: Called) -> tuple[int, str]:
    return called.status, called.json["error"]["code"]


def _whole(body: Any) -> str:
    if "choices" in body:
        return str(body["choices"][0]["message"]["content"])
    return "".join(part["text"] for part in body["content"] if part["type"] == "text")


def _delta(event: Any) -> str:
    if "choices" in event:
        return "".join(choice["delta"].get("content") or "" for choice in event["choices"])
    return str(event.get("delta", {}).get("text", ""))
