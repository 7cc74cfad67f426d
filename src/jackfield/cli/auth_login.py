"""Signing in from a shell: this side of each flow."""

from __future__ import annotations

import asyncio
import sys
import webbrowser
from collections.abc import Awaitable, Callable, Mapping
from typing import Any
from urllib.parse import parse_qs

import typer

from jackfield.cli.admin_client import AdminClient, below
from jackfield.cli.auth import OAUTH, find_provider
from jackfield.cli.auth_callback import Callback, SentBack
from jackfield.cli.output import escape_controls
from jackfield.errors import ConfigError, JackfieldError, Unavailable

SHORTEST_WAIT_S = 0.05


class Login:
    """`opens` is whether to open a browser."""

    def __init__(self, client: AdminClient, provider: str, account: str | None, *, opens: bool) -> None:
        self._client, self._provider, self._account = client, provider, account
        self._opens = opens and sys.stdout.isatty()

    async def usual_flow(self) -> str:
        flows = (await find_provider(self._client, self._provider))["flows"]
        return "browser" if "loopback" in flows else "device"

    async def run(self, flow: str) -> Mapping[str, Any] | None:
        """The account; `None` where it ends in another browser."""
        flows: Mapping[str, Callable[[], Awaitable[Mapping[str, Any] | None]]] = {
            "browser": self._in_browser,
            "gateway": self._at_gateway,
            "device": self._on_device,
            "manual": self._by_hand,
        }
        return await flows[flow]()

    async def _in_browser(self) -> Mapping[str, Any]:
        place = (await find_provider(self._client, self._provider))["callback"]
        async with Callback(place["host"], place["port"], place["path"]) as callback:
            begun = await self._begin("loopback", redirect_url=callback.url)
            self._show(begun["url"])
            sent = await callback.wait(begun["state"], begun["expires_in_s"])
            try:
                view = await self._finish(begun, sent)
            except JackfieldError as error:
                await callback.answer(f"Not signed in: {error}")
                raise
            await callback.answer("Signed in. You may close this page.")
            return view

    async def _at_gateway(self) -> None:
        begun = await self._begin("ticket")
        self._show(begun["url"])
        typer.echo(
            "the address is good for one browser, for two minutes; `jackfield auth status` tells what came of it"
        )

    async def _on_device(self) -> Mapping[str, Any]:
        begun = await self._begin("device")
        self._show(begun["url"])
        typer.echo(f"and type this code: {escape_controls(begun['user_code'])}")
        try:
            async with asyncio.timeout(begun["expires_in_s"]):
                return await self._poll(begun)
        except TimeoutError:
            raise Unavailable("nobody typed the code in time") from None

    async def _poll(self, begun: Mapping[str, Any]) -> Mapping[str, Any]:
        proof = {"state": begun["state"], "session": begun["session"]}
        wait_s = begun["interval_s"]
        while True:
            await asyncio.sleep(max(wait_s, SHORTEST_WAIT_S))
            told: Mapping[str, Any] = await self._client.request("POST", self._path("/poll"), proof)
            if "retry_after_s" not in told:
                return told
            wait_s = told["retry_after_s"]

    async def _by_hand(self) -> Mapping[str, Any]:
        begun = await self._begin("manual")
        self._show(begun["url"])
        pasted = await asyncio.to_thread(typer.prompt, "Paste the address that it led to, or the code", err=True)
        sent = read_pasted(pasted)
        if sent.state != begun["state"]:
            raise ConfigError("what was pasted belongs to another sign-in: begin anew")
        return await self._finish(begun, sent)

    async def _begin(self, flow: str, **more: Any) -> Mapping[str, Any]:
        asked = {"flow": flow, "account": self._account, **more}
        begun: Mapping[str, Any] = await self._client.request("POST", self._path("/login"), asked)
        return begun

    async def _finish(self, begun: Mapping[str, Any], sent: SentBack) -> Mapping[str, Any]:
        back = {
            "state": sent.state,
            "session": begun["session"],
            "code": sent.code,
            "error": sent.error,
            "redirect_url": begun["redirect_url"],
        }
        view: Mapping[str, Any] = await self._client.request("POST", self._path("/finish"), back)
        return view

    def _path(self, end: str) -> str:
        return below(OAUTH, self._provider, end)

    def _show(self, url: str) -> None:
        """On stderr, so that what comes of it can be piped."""
        sys.stderr.write(f"Open this address:\n\n  {escape_controls(url)}\n\n")
        if self._opens:
            webbrowser.open(url)


def read_pasted(text: str) -> SentBack:
    """The whole address, or `code#state` as some providers show it. Without a state it is not known whose code it
    is."""
    text = text.strip()
    if "://" in text:
        # Not by its parts: what is pasted may be no address at all.
        told = parse_qs(text.partition("?")[2].partition("#")[0])
        fields = {name: values[0] for name, values in told.items() if len(values) == 1}
    else:
        code, _, state = text.partition("#")
        fields = {"code": code, "state": state}
    if not fields.get("state"):
        raise ConfigError("paste the whole address, or the code with # and what stands behind it: the state is missing")
    return SentBack(state=fields["state"], code=fields.get("code", ""), error=fields.get("error", ""))
