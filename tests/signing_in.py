"""Signing in to a running gateway as the command line does, with a user who says yes."""

from __future__ import annotations

import asyncio
import http.client
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tests.oauth_server import OAuthServer

from jackfield.testing.gateway import RunningGateway

BACK = "http://127.0.0.1:7777/callback"


def browse(url: str, cookie: str = "") -> tuple[int, dict[str, str], str]:
    """Opens an address as a browser does, and follows it nowhere: status, headers and page."""
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port or 80, timeout=10)
    try:
        target = f"{parts.path}?{parts.query}" if parts.query else parts.path
        connection.request("GET", target, headers={"cookie": cookie} if cookie else {})
        answer = connection.getresponse()
        page = answer.read().decode()
        return answer.status, {name.lower(): value for name, value in answer.getheaders()}, page
    finally:
        connection.close()


async def visit(url: str, cookie: str = "") -> tuple[int, dict[str, str], str]:
    return await asyncio.to_thread(browse, url, cookie)


async def consent(url: str) -> dict[str, str]:
    """What the provider sends back."""
    _, headers, _ = await visit(url)
    return {name: values[0] for name, values in parse_qs(urlsplit(headers["location"]).query).items()}


async def sign_in(gateway: RunningGateway, oauth: OAuthServer, label: str, provider: str = "acme") -> dict[str, Any]:
    oauth.user = label
    asked = {"flow": "loopback", "account": label, "redirect_url": BACK}
    begun = await gateway.admin(f"/oauth/{provider}/login", "POST", asked)
    assert begun.status == 200, begun.body
    sent = await consent(begun.json["url"])
    back = {"state": sent["state"], "session": begun.json["session"], "code": sent["code"], "redirect_url": BACK}
    ended = await gateway.admin(f"/oauth/{provider}/finish", "POST", back)
    assert ended.status == 200, ended.body
    return dict(ended.json)


async def accounts(gateway: RunningGateway) -> dict[str, dict[str, Any]]:
    told = await gateway.admin("/oauth/providers")
    assert told.status == 200, told.body
    return {account["account"]: account for account in told.json["accounts"]}
