"""Every event of the guide is told in one run of a gateway."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

import pytest
from tests.oauth_server import OAuthServer, run_oauth_server
from tests.signing_in import sign_in

from jackfield.testing import Answer, Reply, Upstream, until
from jackfield.testing.setup import link

from .guide import system
from .house import put

WATCHES = """
class Watcher(Hook):
    name, events = "watcher", list(HookEvent)

    async def __call__(self, context):
        seen.append(context.event.value)
        if context.event is HookEvent.CUSTOM_EVENT:
            raise RuntimeError("to be told of as an error of a plugin")
"""


@pytest.fixture(scope="module")
def oauth() -> Iterator[OAuthServer]:
    with run_oauth_server() as server:
        yield server


async def copy(seen: list[str]) -> set[str]:
    return set(seen)


async def test_every_event_is_told(open_house: Any, upstream: Upstream, oauth: OAuthServer) -> None:
    watcher = system("watcher", fields="hooks=[HookSpec(Watcher)]", before=WATCHES)
    house = await open_house(
        plugins={"watcher": watcher, "quiet": system("quiet")},
        upstreams=[link(upstream, max_retries=0)],
        sign_in={"acme": oauth.sign_in()},
    )
    module = house.module("watcher")
    seen, events = module.seen, module.HookEvent
    await house.member("watcher").runtime.context.hook_manager.emit(events.CUSTOM_EVENT, {})
    upstream.script(Answer.reply(Reply(text="one two")), Answer.status(500, message="busy"))
    assert (await house.chat(model="scripted", stream=True)).status == 200
    assert (await house.chat(model="scripted")).status == 500
    await sign_in(house.gateway, oauth, "anna")
    await house.gateway.admin("/oauth/acme/refresh", "POST", {})
    await break_sign_in(house)
    for enabled in (False, True):
        await house.gateway.admin("/api/v1/plugins/toggle", "POST", {"name": "quiet", "enabled": enabled})
    wanted = {event.value for event in events} - {"app.shutdown"}
    assert await until(partial(copy, seen), lambda found: found >= wanted) == wanted
    put(house.gateway.folder / "plugins", "watcher", system("watcher"))
    await house.gateway.admin("/api/v1/plugins/hot-swap", "POST", {})
    assert await until(partial(copy, seen), lambda found: "app.shutdown" in found) == {event.value for event in events}
    assert [seen.count(name) for name in ("app.startup", "app.ready", "app.shutdown")] == [1, 1, 1]


async def break_sign_in(house: Any) -> None:
    """A code that the provider never gave."""
    back = "http://127.0.0.1:7777/callback"
    begun = await house.gateway.admin("/oauth/acme/login", "POST", {"flow": "loopback", "redirect_url": back})
    state = begun.json["url"].partition("state=")[2].partition("&")[0]
    told = {"state": state, "session": begun.json["session"], "code": "stolen", "redirect_url": back}
    assert (await house.gateway.admin("/oauth/acme/finish", "POST", told)).status >= 400
