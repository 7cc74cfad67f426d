"""What a plugin is told of users."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from jackfield.control.people import USER, People
from jackfield.errors import RateLimited
from jackfield.sdk.caller import Caller, acting_for
from jackfield.sdk.services import NotGranted
from jackfield.sdk.users import User
from jackfield.services.allowance import Allowance
from jackfield.services.users import READ, PluginUsers
from jackfield.stores.kv import KeyValueStore
from jackfield.stores.objects import StoredObject

from .conftest import HandClock

ANY = frozenset({READ, "users:any"})
PREFERENCES = {"timezone": "Europe/Berlin", "verbosity": "terse", "tags": ["a"], "persona": "snarky"}
CALLS: dict[str, Callable[[PluginUsers, Any], Awaitable[Any]]] = {
    "get": lambda users, user: users.get(user),
    "preferences": lambda users, user: users.preferences(user),
}


@pytest.fixture
def people(store: KeyValueStore, clock: HandClock) -> People:
    people = People(store, clock)
    body = {"name": "Alice", "preferences": PREFERENCES}
    people.take(StoredObject(USER, "shop/alice", "default", 1, body, 500.0, 600.0, False))
    people.note("shop/bob")
    return people


@pytest.fixture
def make_users(people: People, clock: HandClock) -> Callable[..., PluginUsers]:
    return lambda approved=ANY: PluginUsers(Allowance.of("guide", frozenset(approved), clock), people)


async def test_a_user_that_was_described(make_users: Callable[..., PluginUsers]) -> None:
    users = make_users()
    created = datetime.fromtimestamp(500, UTC)
    assert await users.get("shop/alice") == User(id="shop/alice", name="Alice", created_at=created)


async def test_a_user_that_has_only_called(make_users: Callable[..., PluginUsers]) -> None:
    users = make_users()
    assert await users.get("shop/bob") == User(id="shop/bob", created_at=datetime.fromtimestamp(1000, UTC))
    assert await users.preferences("shop/bob") == {}


async def test_nobody(make_users: Callable[..., PluginUsers]) -> None:
    users = make_users()
    assert await users.get("nobody") is None
    assert await users.preferences("nobody") == {}
    assert await users.get("\ud800") is None


async def test_the_persona_is_withheld(make_users: Callable[..., PluginUsers]) -> None:
    told = await make_users().preferences("shop/alice")
    assert told == {"timezone": "Europe/Berlin", "verbosity": "terse", "tags": ["a"]}


async def test_what_a_plugin_does_to_preferences_is_its_own(make_users: Callable[..., PluginUsers]) -> None:
    users = make_users()
    told: Any = await users.preferences("shop/alice")
    told["tags"].append("b")
    told["timezone"] = "UTC"
    assert (await users.preferences("shop/alice"))["tags"] == ["a"]
    assert PREFERENCES["tags"] == ["a"]


@pytest.mark.parametrize("call", CALLS)
async def test_without_more_only_the_one_who_asks(make_users: Callable[..., PluginUsers], call: str) -> None:
    users = make_users({READ})
    with acting_for(Caller(user="shop/alice")):
        await CALLS[call](users, "shop/alice")
        with pytest.raises(NotGranted, match="users:any"):
            await CALLS[call](users, "shop/bob")
    with pytest.raises(NotGranted, match="users:any"):
        await CALLS[call](users, "shop/alice")


@pytest.mark.parametrize("call", CALLS)
async def test_each_call_needs_its_permission_and_counts(
    make_users: Callable[..., PluginUsers], clock: HandClock, call: str
) -> None:
    with pytest.raises(NotGranted, match="users:read"):
        await CALLS[call](make_users({"users:any"}), "shop/alice")
    users = make_users()
    for _ in range(100):
        await CALLS[call](users, "shop/alice")
    with pytest.raises(RateLimited, match="plugin guide has done 100"):
        await CALLS[call](users, "shop/alice")
    clock.now += 60
    await CALLS[call](users, "shop/alice")


@pytest.mark.parametrize("user", [None, 5, b"shop/alice", ["shop/alice"]])
async def test_an_id_is_text(make_users: Callable[..., PluginUsers], user: Any) -> None:
    with pytest.raises(ValueError, match="a user's id is text"):
        await make_users().get(user)


async def test_it_is_what_was_granted(make_users: Callable[..., PluginUsers]) -> None:
    users = make_users({READ})
    for name in ("people", "allowance", "get"):
        with pytest.raises(AttributeError):
            setattr(users, name, None)
