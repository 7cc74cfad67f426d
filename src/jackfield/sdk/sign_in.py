"""Signing in with an account at a provider (OAuth 2), and asking for the credential that this gives.

A plugin lists its `SignIn`s in `sign_ins`. Operators sign in by `jackfield auth login`. The gateway keeps tokens and
renews them; who asks for a credential by name gets the header to send, and never sees what renews it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Literal, Protocol
from urllib.parse import urlsplit

import msgspec

NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
_HEADER = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
_FRAMING = re.compile(
    "connection|content-length|content-type|expect|host|keep-alive|te|trailer|transfer-encoding|upgrade", re.IGNORECASE
)
_PATH = re.compile(r"/[A-Za-z0-9._~/-]*")
_SCOPE = re.compile(r"[\x21\x23-\x5b\x5d-\x7e]+")
LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})
# What the flow itself says, and nobody else may.
_OWN_PARAMETERS = frozenset(
    {"response_type", "client_id", "redirect_uri", "scope", "state", "code_challenge", "code_challenge_method"}
)


class SignIn(msgspec.Struct, frozen=True, kw_only=True):
    """One provider's way to sign in. With `authorize_url` by authorization code, always with PKCE (S256); with
    `device_url` by a code that is typed on another device; both is fine.

    `header` is the name of the header that carries the access token, and a template in which `{}` stands for it;
    `headers` go along. `audience` is added to what is asked for where the provider wants one, `parameters` to the
    address that is opened. `callback_port` and `callback_path` are for providers that accept one address on the own
    machine only, `manual_redirect_url` is the provider's own page that shows the code to be copied. `json_bodies` is
    for token endpoints that read JSON."""

    name: str
    client_id: str
    token_url: str
    authorize_url: str = ""
    device_url: str = ""
    revoke_url: str = ""
    scopes: tuple[str, ...] = ()
    title: str = ""
    header: tuple[str, str] = ("authorization", "Bearer {}")
    headers: tuple[tuple[str, str], ...] = ()
    audience: str = ""
    parameters: Mapping[str, str] = msgspec.field(default_factory=dict)
    callback_host: Literal["127.0.0.1", "localhost"] = "127.0.0.1"
    callback_port: int = 0
    callback_path: str = "/callback"
    manual_redirect_url: str = ""
    json_bodies: bool = False

    def __post_init__(self) -> None:
        """Raises `ValueError` that names what is wrong."""
        if not isinstance(self.name, str) or not NAME.fullmatch(self.name):
            raise ValueError(f"sign-in {self.name!r:.100}: a name is of small letters, digits, and . _ - between them")
        if not isinstance(self.client_id, str) or not self.client_id:
            raise ValueError(f"sign-in {self.name}: client_id is missing")
        for field in ("token_url", "authorize_url", "device_url", "revoke_url", "manual_redirect_url"):
            self._check_url(field, getattr(self, field))
        if not self.authorize_url and not self.device_url:
            raise ValueError(f"sign-in {self.name}: needs an authorize_url or a device_url")
        self._check_words()
        self._check_callback()

    def _check_url(self, field: str, url: str) -> None:
        if not url and field != "token_url":
            return
        if not isinstance(url, str) or not is_sound_url(url):
            raise ValueError(
                f"sign-in {self.name}: {field} must begin with https://, or http:// on this machine,"
                " and carry no credentials and no fragment"
            )

    def _check_words(self) -> None:
        for scope in self.scopes:
            if not isinstance(scope, str) or not is_scope(scope):
                raise ValueError(f"sign-in {self.name}: {scope!r:.100} is no scope")
        for name, value in (self.header, *self.headers):
            if not _HEADER.fullmatch(name) or not value.isascii() or not value.isprintable():
                raise ValueError(f"sign-in {self.name}: {name!r:.100} is no header")
            if _FRAMING.fullmatch(name):
                raise ValueError(f"sign-in {self.name}: the header {name} is the gateway's own to set")
        if "{}" not in self.header[1]:
            raise ValueError(f"sign-in {self.name}: header must have {{}} where the access token stands")
        if taken := _OWN_PARAMETERS & set(self.parameters):
            raise ValueError(f"sign-in {self.name}: parameters must not hold {', '.join(sorted(taken))}")

    def _check_callback(self) -> None:
        if not 0 <= self.callback_port <= 65_535:
            raise ValueError(f"sign-in {self.name}: callback_port must be 0 to 65535")
        if not _PATH.fullmatch(self.callback_path):
            raise ValueError(f"sign-in {self.name}: callback_path must begin with / and be a plain path")
        if self.callback_host not in ("127.0.0.1", "localhost"):
            raise ValueError(f"sign-in {self.name}: callback_host is 127.0.0.1 or localhost")


def is_scope(text: str) -> bool:
    return _SCOPE.fullmatch(text) is not None


def is_sound_url(url: str) -> bool:
    """Whether tokens may be sent there: over TLS, or not beyond this machine."""
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        return False
    if not host or parts.username is not None or parts.fragment or not url.isascii() or not url.isprintable():
        return False
    return " " not in url and (parts.scheme == "https" or (parts.scheme == "http" and host in LOOPBACK))


class CredentialHeader(msgspec.Struct, frozen=True, kw_only=True):
    """What to send: `name` and `value`, and `headers` along with it. `account` tells whose it is, `issue` which of
    its tokens. Ask anew for each request: it is renewed, and of several accounts the next has its turn."""

    name: str
    value: str
    account: str
    headers: tuple[tuple[str, str], ...] = ()
    issue: int = 0

    def __repr__(self) -> str:
        return f"CredentialHeader(name={self.name!r}, value='***', account={self.account!r})"


class Credentials(Protocol):
    """Needs `credentials:use`. A plugin may use the sign-ins that it declares itself, and those that the operator lets
    it use (`accounts.plugins`)."""

    async def header(self, name: str) -> CredentialHeader:
        """Of the sign-in `name`, the account whose turn it is; of `name/account` that one. Raises `ValueError` for a
        name that it may not use, `RateLimited` while all accounts rest, `Unavailable` where none is signed in."""

    async def report(self, used: CredentialHeader, status: int, retry_after_s: float | None = None) -> bool:
        """Tells what the provider answered. After 401 and 429 the account is renewed or rests; whether it is worth
        asking for a header again, for the same request."""


def sign_ins_of(plugin: object) -> tuple[SignIn, ...]:
    """Those that an instance lists. Raises `TypeError` for what is none."""
    listed = tuple(getattr(plugin, "sign_ins", ()))
    for sign_in in listed:
        if not isinstance(sign_in, SignIn):
            raise TypeError(f"sign_ins: {type(sign_in).__name__} is no SignIn")
    return listed
