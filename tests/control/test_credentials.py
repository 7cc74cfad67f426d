"""API keys: made, listed, revoked; and those of the first start."""

from __future__ import annotations

import asyncio
from pathlib import Path

import msgspec
import pytest

from jackfield.control.credentials import Credential, Credentials, FirstKeys, Issued
from jackfield.control.directory import Directory
from jackfield.errors import ConfigError, Conflict, NotFound, Unprocessable
from jackfield.stores.audit import AuditLog
from jackfield.stores.database import Database

from .conftest import SECRET, SetClock


async def create(credentials: Credentials, name: str | None = None, **more: object) -> Issued:
    return await credentials.create(name=name, actor="test", **more)


async def holders(database: Database, clock: SetClock, *texts: str) -> list[str | None]:
    directory = Directory(database, SECRET, clock)
    await directory.refresh()
    return [found.id if (found := directory.identify(text)) else None for text in texts]


async def test_a_key_is_random_text_of_known_form(credentials: Credentials) -> None:
    issued = await create(credentials, "one")
    other = await create(credentials, "two")
    assert issued.text != other.text
    assert issued.text.startswith("jf-")
    assert len(issued.text) == 43
    assert issued.text[3:].isalnum()
    assert issued.credential.last4 == issued.text[-4:]


async def test_a_credential_says_what_its_key_is_for(credentials: Credentials, clock: SetClock) -> None:
    issued = await create(
        credentials, "ci", role="admin", app="shop", namespace="team", expires_at=2000.0, models=("gpt-4o",)
    )
    assert issued.credential == Credential(
        id=issued.credential.id,
        name="ci",
        role="admin",
        app="shop",
        namespace="team",
        created_at=1000.0,
        expires_at=2000.0,
        revoked_at=None,
        models=("gpt-4o",),
        last4=issued.text[-4:],
    )
    assert await credentials.list() == (issued.credential,)
    assert issued.credential.allows("gpt-4o")
    assert not issued.credential.allows("o3")
    assert (await create(credentials, "all")).credential.allows("o3")


async def test_the_key_itself_is_stored_nowhere(credentials: Credentials, database: Database, tmp_path: Path) -> None:
    issued = await create(credentials, "one")
    shown = msgspec.json.encode(await credentials.list())
    await database.dispose()
    kept = b"".join(path.read_bytes() for path in (tmp_path / "data").iterdir())
    assert b"one" in kept
    assert issued.text.encode() not in kept + shown
    assert issued.text[3:20].encode() not in kept + shown


async def test_a_key_without_a_name_is_named_by_its_id(credentials: Credentials) -> None:
    issued = await create(credentials)
    assert issued.credential.name == issued.credential.id


async def test_a_name_in_use_is_refused_until_its_key_is_revoked(credentials: Credentials) -> None:
    first = await create(credentials, "ci")
    with pytest.raises(Conflict, match="there is a key named 'ci' already"):
        await create(credentials, "ci")
    await credentials.revoke("ci", actor="test")
    second = await create(credentials, "ci")
    assert (await credentials.revoke("ci", actor="test")).id == second.credential.id
    assert first.credential.id != second.credential.id


async def test_a_key_is_revoked_by_id_or_name(credentials: Credentials, clock: SetClock) -> None:
    one, two = await create(credentials, "one"), await create(credentials, "two")
    clock.now = 1500.0
    assert (await credentials.revoke(one.credential.id, actor="test")).revoked_at == 1500.0
    assert (await credentials.revoke("two", actor="test")).id == two.credential.id
    assert all(found.revoked_at == 1500.0 for found in await credentials.list())


async def test_revoking_what_is_not_there_or_revoked_already_says_so(credentials: Credentials) -> None:
    with pytest.raises(NotFound, match="no key with the id or name 'nobody'"):
        await credentials.revoke("nobody", actor="test")
    await create(credentials, "one")
    await credentials.revoke("one", actor="test")
    with pytest.raises(Conflict, match="key one is revoked already"):
        await credentials.revoke("one", actor="test")


async def test_a_key_cannot_be_born_expired(credentials: Credentials) -> None:
    with pytest.raises(Unprocessable, match="expired already"):
        await create(credentials, expires_at=999.0)


async def test_changes_are_audited_by_actor(credentials: Credentials, database: Database) -> None:
    await credentials.create(name="one", actor="cli")
    await credentials.revoke("one", actor="key_7")
    entries = await AuditLog(database).list(kind="credential")
    assert [(entry.actor, entry.action) for entry in entries] == [("key_7", "update"), ("cli", "create")]


async def test_the_first_start_makes_a_key_of_each_role_and_the_second_none(
    credentials: Credentials, database: Database, clock: SetClock
) -> None:
    made = await credentials.first_keys(None, None)
    assert made.admin
    assert made.inference
    assert [(found.id, found.role) for found in await credentials.list()] == [
        ("key_first_admin", "admin"),
        ("key_first_inference", "inference"),
    ]
    assert await holders(database, clock, made.admin, made.inference) == [
        "key_first_admin",
        "key_first_inference",
    ]
    assert await credentials.first_keys(None, None) == FirstKeys()


async def test_a_revoked_first_key_is_not_made_again(credentials: Credentials) -> None:
    await credentials.first_keys(None, None)
    await credentials.revoke("key_first_admin", actor="test")
    assert await credentials.first_keys(None, None) == FirstKeys()


async def test_of_many_workers_starting_at_once_one_makes_the_keys(database: Database, clock: SetClock) -> None:
    workers = [Credentials(database, SECRET, clock) for _ in range(5)]
    made = await asyncio.gather(*(worker.first_keys(None, None) for worker in workers))
    assert sum(keys.admin is not None for keys in made) == 1
    assert sum(keys.inference is not None for keys in made) == 1
    assert len(await workers[0].list()) == 2


async def test_keys_of_the_environment_are_taken_as_they_are(
    credentials: Credentials, database: Database, clock: SetClock
) -> None:
    assert await credentials.first_keys("my-admin-key", "my-api-key") == FirstKeys()
    assert await credentials.first_keys("my-admin-key", "my-api-key") == FirstKeys()
    found = await holders(database, clock, "my-admin-key", "my-api-key")
    assert found == ["key_environment_admin", "key_environment_inference"]
    assert len(await credentials.list()) == 2


async def test_a_changed_key_of_the_environment_replaces_the_former_only(
    credentials: Credentials, database: Database, clock: SetClock
) -> None:
    other = (await create(credentials, "other", role="admin")).text
    await credentials.first_keys("old-admin-key", "api")
    await credentials.first_keys("new-admin-key", "api")
    found = await holders(database, clock, "old-admin-key", "new-admin-key")
    assert found == [None, "key_environment_admin"]
    assert (await holders(database, clock, other))[0] is not None


async def test_a_key_that_leaves_the_environment_stays_and_none_is_made(
    credentials: Credentials, database: Database, clock: SetClock
) -> None:
    await credentials.first_keys("admin-key", "api-key")
    assert await credentials.first_keys(None, None) == FirstKeys()
    assert await holders(database, clock, "admin-key") == ["key_environment_admin"]


async def test_a_revoked_key_stays_revoked_though_the_environment_holds_it(
    credentials: Credentials, database: Database, clock: SetClock
) -> None:
    await credentials.first_keys("admin-key", "api-key")
    await credentials.revoke("JACKFIELD_ADMIN_KEY", actor="test")
    await credentials.first_keys("admin-key", "api-key")
    assert await holders(database, clock, "admin-key") == [None]


@pytest.mark.parametrize(
    ("admin", "inference", "told"),
    [
        ("same", "same", "hold the same key"),
        ("", "api", "JACKFIELD_ADMIN_KEY must be printable"),
        ("admin", "two words", "JACKFIELD_API_KEY must be printable"),
        ("admin", "schlüssel", "JACKFIELD_API_KEY must be printable"),
    ],
)
async def test_unusable_keys_of_the_environment_are_refused_by_name(
    credentials: Credentials, admin: str, inference: str, told: str
) -> None:
    with pytest.raises(ConfigError, match=told):
        await credentials.first_keys(admin, inference)


async def test_a_key_cannot_change_its_role_by_way_of_the_environment(credentials: Credentials) -> None:
    issued = await create(credentials, "one")
    with pytest.raises(ConfigError, match="JACKFIELD_ADMIN_KEY holds a key that is stored with another role"):
        await credentials.first_keys(issued.text, "api-key")


async def test_another_secret_is_noticed_at_the_start(database: Database, clock: SetClock) -> None:
    await Credentials(database, SECRET, clock).first_keys(None, None)
    changed = Credentials(database, b"quite another secret", clock)
    with pytest.raises(ConfigError, match="key_first_admin was made with another secret"):
        await changed.first_keys(None, None)
    for found in await changed.list():
        await changed.revoke(found.id, actor="test")
    assert await changed.first_keys("admin-key", "api-key") == FirstKeys()
