"""What a sign-in may say, and what of it is refused by name."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from jackfield.sdk.sign_in import CredentialHeader, SignIn, sign_ins_of

SOUND: dict[str, Any] = {
    "name": "acme",
    "client_id": "a client",
    "authorize_url": "https://acme.example/authorize?plan=max",
    "token_url": "https://acme.example/token",
}


def test_a_sign_in_is_the_same_after_it_was_told_to_another_process() -> None:
    sign_in = SignIn(**SOUND, scopes=("a", "b"), headers=(("x-beta", "oauth"),), parameters={"plan": "max"})
    assert msgspec.convert(msgspec.to_builtins(sign_in), SignIn) == sign_in


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"name": "Acme"}, "sign-in 'Acme': a name is of small letters"),
        ({"name": "a/b"}, "a name is of small letters"),
        ({"client_id": ""}, "client_id is missing"),
        ({"token_url": ""}, "token_url must begin with https://"),
        ({"token_url": "http://acme.example/token"}, "token_url must begin with https://"),
        ({"token_url": "https://me:pw@acme.example/token"}, "token_url must begin with https://"),
        ({"token_url": "https://acme.example/token#x"}, "token_url must begin with https://"),
        ({"token_url": "file:///etc/passwd"}, "token_url must begin with https://"),
        ({"token_url": "https://acme.example:port/"}, "token_url must begin with https://"),
        ({"revoke_url": "http://10.0.0.1/revoke"}, "revoke_url must begin with https://"),
        ({"authorize_url": "javascript:alert(1)"}, "authorize_url must begin with https://"),
        ({"authorize_url": ""}, "needs an authorize_url or a device_url"),
        ({"scopes": ("two words",)}, "'two words' is no scope"),
        ({"header": ("x y", "{}")}, "'x y' is no header"),
        ({"header": ("x-token", "no place")}, "where the access token stands"),
        ({"header": ("Host", "{}")}, "the header Host is the gateway's own to set"),
        ({"headers": (("x-beta", "two\r\nlines"),)}, "'x-beta' is no header"),
        ({"parameters": {"state": "mine"}}, "parameters must not hold state"),
        ({"callback_port": 70_000}, "callback_port must be 0 to 65535"),
        ({"callback_path": "callback"}, "callback_path must begin with /"),
        ({"callback_host": "evil.example"}, "callback_host is 127.0.0.1 or localhost"),
    ],
)
def test_what_is_wrong_is_refused_by_name(fields: dict[str, Any], told: str) -> None:
    with pytest.raises(ValueError, match=told):
        SignIn(**SOUND | fields)


@pytest.mark.parametrize("url", ["http://127.0.0.1:9/token", "http://localhost/token", "http://[::1]:9/token"])
def test_on_this_machine_it_may_go_without_tls(url: str) -> None:
    assert SignIn(**SOUND | {"token_url": url}).token_url == url


def test_what_a_plugin_lists_must_be_sign_ins() -> None:
    class Sound:
        sign_ins = (SignIn(**SOUND),)

    class Wrong:
        sign_ins = ("acme",)

    assert sign_ins_of(Sound()) == Sound.sign_ins
    assert sign_ins_of(object()) == ()
    with pytest.raises(TypeError, match="sign_ins: str is no SignIn"):
        sign_ins_of(Wrong())


def test_a_credential_does_not_show_itself() -> None:
    used = CredentialHeader(name="authorization", value="Bearer secret-token", account="acc_1")
    assert "secret-token" not in repr(used)
    assert "secret-token" not in f"{used}"
