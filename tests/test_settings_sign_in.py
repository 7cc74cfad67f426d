"""Sign-ins and accounts in the settings: what is read, and what is refused where it stands."""

from __future__ import annotations

from pathlib import Path

import pytest

from jackfield.control.accounts.declared import own_sign_ins
from jackfield.errors import ConfigError
from jackfield.settings import Settings, load

ACME = """
[sign_in.acme]
client_id = "a client"
token_url = "https://acme.example/token"
"""
AUTHORIZE = 'authorize_url = "https://acme.example/authorize"\n'
UPSTREAM = """
[[upstreams]]
name = "main"
provider = "openai"
models = ["m"]
"""


def read(folder: Path, text: str, environ: dict[str, str] | None = None) -> Settings:
    file = folder / "jackfield.toml"
    file.write_text(text, encoding="utf-8")
    return load(file, {}, environ or {})


def test_what_is_stated_is_declared(tmp_path: Path) -> None:
    text = ACME + AUTHORIZE + 'header = "x-token"\ntemplate = "t {}"\nheaders = { x-beta = "b" }\nscopes = ["a"]\n'
    found = own_sign_ins(read(tmp_path, text).sign_in)["acme"]
    assert (found.sign_in.header, found.sign_in.headers) == (("x-token", "t {}"), (("x-beta", "b"),))
    assert (found.sign_in.scopes, found.client_secret, found.is_trusted) == (("a",), None, True)


def test_a_client_secret_comes_from_the_environment_and_is_not_shown(tmp_path: Path) -> None:
    text = ACME + AUTHORIZE + 'client_secret_env = "JACKFIELD_ACME_SECRET"\n'
    found = own_sign_ins(read(tmp_path, text, {"JACKFIELD_ACME_SECRET": "s3cret-text"}).sign_in)["acme"]
    assert found.client_secret is not None
    assert found.client_secret.reveal() == "s3cret-text"
    assert "s3cret-text" not in repr(found)
    with pytest.raises(ConfigError, match="sign-in 'acme' needs the environment variable JACKFIELD_ACME_SECRET"):
        read(tmp_path, text)


def test_without_a_way_to_sign_in_it_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="sign-in 'acme' needs an authorize_url or a device_url"):
        read(tmp_path, ACME)


def test_what_no_setting_alone_can_tell_names_the_sign_in(tmp_path: Path) -> None:
    settings = read(tmp_path, ACME.replace("https:", "http:") + AUTHORIZE)
    with pytest.raises(ConfigError, match=r"sign_in\.acme: sign-in acme: token_url must begin with https://"):
        own_sign_ins(settings.sign_in)


def test_an_upstream_has_an_account_or_a_key(tmp_path: Path) -> None:
    text = UPSTREAM + 'account = "acme/work"\n'
    assert read(tmp_path, text).upstreams[0].account == "acme/work"
    with pytest.raises(ConfigError, match="upstream 'main' has both an account and a key"):
        read(tmp_path, text + 'api_key_env = "KEY"\n', {"KEY": "k"})


def test_the_key_of_the_accounts_is_no_unknown_setting(tmp_path: Path) -> None:
    read(tmp_path, "", {"JACKFIELD_ACCOUNTS_KEY": "x" * 32})
