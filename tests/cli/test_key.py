"""`jackfield key create|list|revoke`, over a real store."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
import typer

from jackfield.cli.expiry import read_expiry, show_time

from .conftest import Run


def test_a_key_is_printed_once_alone_on_stdout(run: Run) -> None:
    outcome = run("key", "create", "--name", "mine")
    assert outcome.code == 0
    assert outcome.out.startswith("jf-")
    assert len(outcome.out.split()) == 1
    assert "inference key mine" in outcome.err
    assert outcome.out.strip() not in run("key", "list").out + run("key", "list", "--json").out


def test_options_are_kept_with_the_key(run: Run) -> None:
    options = (
        "--name",
        "k",
        "--role",
        "admin",
        "--app",
        "shop",
        "--expires",
        "2100-01-31",
        "--models",
        "a,b",
    )
    made = json.loads(run("key", "create", *options, "--models", "c", "--json").out)
    (listed,) = json.loads(run("key", "list", "--json").out)
    assert made.pop("key").endswith(listed["last4"])
    assert made == listed
    assert {
        "name": "k",
        "role": "admin",
        "app": "shop",
        "models": ["a", "b", "c"],
        "state": "active",
    }.items() <= (listed.items())
    assert listed["expires_at"] == datetime(2100, 1, 31, tzinfo=UTC).timestamp()


def test_the_list_for_people(run: Run) -> None:
    run("key", "create", "--name", "one", "--models", "a,b")
    run("key", "create", "--name", "two")
    run("key", "revoke", "two")
    heading, one, two = run("key", "list").out.splitlines()
    assert heading.split()[:4] == ["ID", "NAME", "ROLE", "STATE"]
    assert one.split()[1:4] == ["one", "inference", "active"]
    assert "a, b" in one
    assert two.split()[1:4] == ["two", "inference", "revoked"]


def test_a_key_is_revoked_by_name_or_id_once(run: Run) -> None:
    run("key", "create", "--name", "one")
    made = json.loads(run("key", "create", "--json").out)
    assert run("key", "revoke", "one").code == 0
    assert json.loads(run("key", "revoke", made["id"], "--json").out)["state"] == "revoked"
    again = run("key", "revoke", "one")
    assert (again.code, again.err) == (1, "jackfield: key one is revoked already\n")
    unknown = run("key", "revoke", "nobody")
    assert (unknown.code, unknown.err) == (1, "jackfield: there is no key with the id or name 'nobody'\n")


def test_keys_are_managed_from_a_shell_without_the_upstreams_keys(run: Run, folder: Path) -> None:
    (folder / "jackfield.toml").write_text(
        "[[upstreams]]\nname = 'a'\nprovider = 'p'\nmodels = ['x']\napi_key_env = 'NOT_HERE'\n"
    )
    assert run("key", "create").code == 0
    assert run("key", "list", "--data-dir", "elsewhere", "--json").out == "[]\n"


def test_a_wrong_config_is_told(run: Run, folder: Path) -> None:
    (folder / "jackfield.toml").write_text("[store]\ndatadir = 'x'\n")
    outcome = run("key", "list")
    assert (outcome.code, outcome.err.count("\n")) == (1, 1)
    assert "store.datadir: unknown key; the nearest known one is 'data_dir'" in outcome.err


def test_a_wrong_expiry_is_wrong_usage(run: Run) -> None:
    assert run("key", "create", "--expires", "soon").code == 2


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("45m", 2_700), ("12h", 43_200), ("30d", 2_592_000), ("1970-01-01T00:10:00+00:00", -400)],
)
def test_expiry_as_a_span_or_a_date(text: str, seconds: int) -> None:
    assert read_expiry(text, 1_000.0) == 1_000 + seconds
    with pytest.raises(typer.BadParameter):
        read_expiry(text + "x", 0)


def test_times_are_shown_in_utc() -> None:
    assert (show_time(0), show_time(None)) == ("1970-01-01 00:00", "-")
