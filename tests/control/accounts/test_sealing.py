"""Tokens are stored encrypted, bound to their account, with a key that only the owner can read."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest
from sqlalchemy import text, update

from jackfield.control.accounts.sealing import FILE, VARIABLE, Sealer, load_sealer
from jackfield.errors import ConfigError, Unavailable
from jackfield.stores.tables import accounts

from .house import KEY, House


def test_what_is_sealed_opens_with_the_same_key_and_purpose_only() -> None:
    sealed = Sealer(KEY).seal(b"the token", "account 1")
    assert Sealer(KEY).open(sealed, "account 1") == b"the token"
    assert b"the token" not in sealed
    assert Sealer(KEY).seal(b"the token", "account 1") != sealed
    for sealer, purpose in ((Sealer(KEY), "account 2"), (Sealer(KEY[::-1]), "account 1")):
        with pytest.raises(ValueError, match=f"another key: restore {VARIABLE}"):
            sealer.open(sealed, purpose)
    changed = bytes((*sealed[:-1], sealed[-1] ^ 1))
    with pytest.raises(ValueError, match="another key"):
        Sealer(KEY).open(changed, "account 1")
    with pytest.raises(ValueError, match="another version"):
        Sealer(KEY).open(b"", "account 1")


def test_the_key_is_made_once_and_is_its_owners_alone(tmp_path: Path) -> None:
    sealed = load_sealer(tmp_path, {}).seal(b"x", "p")
    assert load_sealer(tmp_path, {}).open(sealed, "p") == b"x"
    assert stat.S_IMODE((tmp_path / FILE).stat().st_mode) == 0o600


def test_a_key_that_others_can_read_is_refused(tmp_path: Path) -> None:
    load_sealer(tmp_path, {})
    (tmp_path / FILE).chmod(0o640)
    with pytest.raises(ConfigError, match=r"accounts\.key can be read by others \(mode 0640\)"):
        load_sealer(tmp_path, {})


def test_the_environment_decides_and_a_short_key_is_refused(tmp_path: Path) -> None:
    sealed = load_sealer(tmp_path, {VARIABLE: KEY.decode()}).seal(b"x", "p")
    assert Sealer(KEY).open(sealed, "p") == b"x"
    assert not list(tmp_path.iterdir())
    with pytest.raises(ConfigError, match=f"{VARIABLE} is too short") as refused:
        load_sealer(tmp_path, {VARIABLE: "hunter2"})
    assert "hunter2" not in str(refused.value)


async def test_nothing_of_a_token_stands_in_the_database(house: House) -> None:
    await house.desk.begin("acme", "callback", actor="operator")
    await house.sign_in()
    told = house.server.tokens[0].told
    async with house.database.reading() as connection:
        dump = repr((await connection.execute(text("SELECT * FROM accounts"))).all())
        dump += repr((await connection.execute(text("SELECT * FROM sign_in_states"))).all())
        dump += repr((await connection.execute(text("SELECT * FROM audit"))).all())
    assert "acme/account-1" in dump
    for secret in (told["access_token"], told["refresh_token"]):
        assert secret not in dump
        assert secret.encode().hex() not in dump


async def test_a_row_that_is_passed_off_as_another_is_not_opened(house: House) -> None:
    await house.sign_in(label="mine")
    async with house.database.writing() as transaction:
        await transaction.execute(update(accounts).values(bound_to="plugin of an attacker"))
    worker = await house.hire()
    (view,) = worker.accounts.views()
    assert view.state == "unreadable"
    with pytest.raises(Unavailable):
        await worker.accounts.take("acme")


async def test_with_another_key_accounts_are_listed_and_say_what_is_wrong(house: House) -> None:
    await house.sign_in()
    worker = await house.hire()
    worker.book.accounts.clear()
    worker.book._sealer = lambda: Sealer(b"another key that is long enough, too!")
    await worker.book.load()
    (view,) = worker.accounts.views()
    assert view.state == "unreadable"
    assert VARIABLE in (view.reason or "")
