"""What is said to a provider's endpoints (RFC 6749, 7009, 7636, 8628)."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote, urlencode

import msgspec

from jackfield.control.accounts.declared import Declared
from jackfield.errors import UpstreamBroken, UpstreamError
from jackfield.telemetry.masking import masked
from jackfield.transport.client import HttpClient
from jackfield.transport.dates import seconds_at
from jackfield.transport.messages import Deadlines, OutgoingRequest
from jackfield.transport.response import UpstreamResponse

DEVICE_GRANT = "urn:ietf:params:oauth:grant-type:device_code"
DEADLINES = Deadlines(connect_s=5.0, first_byte_s=15.0, idle_s=10.0, whole_s=20.0)
# What an endpoint says that revokes tokens, and does not know this one.
_UNKNOWN = frozenset({"invalid_token", "invalid_grant"})
_CODE = re.compile(r"[a-z][a-z0-9_.-]{0,63}")
_FORM = (b"content-type", b"application/x-www-form-urlencoded")
_JSON = (b"content-type", b"application/json")
_ACCEPT = (b"accept", b"application/json")


class Denied(Exception):
    """The provider's own no: `code` is the standard's, such as `invalid_grant`. Of the rest that it said nothing is
    kept: it may repeat what was sent."""

    def __init__(self, name: str, code: str) -> None:
        super().__init__(f"{name} refused: {code}")
        self.code = code


class TooSoon(Exception):
    """It wants to be asked later."""

    def __init__(self, name: str, retry_after: bytes | None) -> None:
        super().__init__(f"{name} wants to be asked later")
        self._retry_after = (retry_after or b"").decode("ascii", "replace").strip()

    def pause_s(self, now: float) -> float | None:
        """From the form in seconds or in a date; nonsense counts as not given."""
        value = self._retry_after
        if value.isdigit():
            return float(value[:9])
        try:
            return max(seconds_at(value) - now, 0.0)
        except (ValueError, TypeError, OverflowError):
            return None


class Endpoints:
    """`public` reaches public addresses only, for what plugins declare; `anywhere` is for the operator's own. All
    methods raise `Denied`, `TooSoon` or `UpstreamError`."""

    def __init__(self, public: HttpClient, anywhere: HttpClient) -> None:
        self._public, self._anywhere = public, anywhere

    async def exchange(
        self, declared: Declared, code: str, *, verifier: str, redirect_url: str, state: str
    ) -> dict[str, Any]:
        form = {"grant_type": "authorization_code", "code": code, "redirect_uri": redirect_url}
        # Endpoints that read JSON are known to want the state, too; the standard's ignore it.
        more = {"state": state} if declared.sign_in.json_bodies else {}
        return await self._ask_token(declared, {**form, "code_verifier": verifier, **more})

    async def refresh(self, declared: Declared, refresh_token: str) -> dict[str, Any]:
        return await self._ask_token(declared, {"grant_type": "refresh_token", "refresh_token": refresh_token})

    async def begin_device(self, declared: Declared) -> dict[str, Any]:
        sign_in = declared.sign_in
        form = {"scope": " ".join(sign_in.scopes)} if sign_in.scopes else {}
        if sign_in.audience:
            form["audience"] = sign_in.audience
        return await self._ask(declared, sign_in.device_url, form)

    async def poll_device(self, declared: Declared, device_code: str) -> dict[str, Any]:
        return await self._ask_token(declared, {"grant_type": DEVICE_GRANT, "device_code": device_code})

    async def revoke(self, declared: Declared, token: str, hint: str) -> None:
        """An endpoint that does not know the token is as good as one that forgets it."""
        answer = await self._send(declared, declared.sign_in.revoke_url, {"token": token, "token_type_hint": hint})
        body = await answer.read()
        if not 200 <= answer.status < 300:
            refusal = _refusal(declared, answer, _decode(body))
            if not isinstance(refusal, Denied) or refusal.code not in _UNKNOWN:
                raise refusal

    async def _ask_token(self, declared: Declared, form: Mapping[str, str]) -> dict[str, Any]:
        return await self._ask(declared, declared.sign_in.token_url, form)

    async def _ask(self, declared: Declared, url: str, form: Mapping[str, str]) -> dict[str, Any]:
        answer = await self._send(declared, url, form)
        body = await answer.read()
        told = _decode(body)
        # Some answer an error with status 200.
        if answer.status < 300 and "error" not in told:
            return told
        raise _refusal(declared, answer, told)

    async def _send(self, declared: Declared, url: str, form: Mapping[str, str]) -> UpstreamResponse:
        fields = {**form, "client_id": declared.sign_in.client_id}
        headers = [_ACCEPT]
        if declared.client_secret is not None:
            headers.append((b"authorization", _basic(declared.sign_in.client_id, declared.client_secret.reveal())))
        if declared.sign_in.json_bodies:
            body, kind = msgspec.json.encode(fields), _JSON
        else:
            body, kind = urlencode(fields).encode(), _FORM
        client = self._anywhere if declared.is_trusted else self._public
        return await client.send(OutgoingRequest("POST", url, (*headers, kind), body), DEADLINES)


def _decode(body: bytes) -> dict[str, Any]:
    try:
        told = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return {}
    return told if isinstance(told, dict) else {}


def _refusal(declared: Declared, answer: UpstreamResponse, told: Mapping[str, Any]) -> Denied | TooSoon | UpstreamError:
    if answer.status == 429:
        return TooSoon(declared.name, answer.header(b"retry-after"))
    code = told.get("error")
    if isinstance(code, dict):
        code = code.get("type") or code.get("code")
    # Nor is it a code that repeats what was sent.
    if answer.status < 500 and isinstance(code, str) and _CODE.fullmatch(code) and masked(code) == code:
        return Denied(declared.name, code)
    return UpstreamBroken(f"{declared.name}: its endpoint answered {answer.status}, and not as expected")


def _basic(client_id: str, secret: str) -> bytes:
    pair = f"{quote(client_id, safe='')}:{quote(secret, safe='')}"
    return b"Basic " + base64.b64encode(pair.encode())


def challenge_of(verifier: str) -> str:
    """S256."""
    return base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()


def authorize_url(declared: Declared, *, state: str, verifier: str, redirect_url: str) -> str:
    sign_in = declared.sign_in
    fields = {
        **sign_in.parameters,
        "response_type": "code",
        "client_id": sign_in.client_id,
        "redirect_uri": redirect_url,
        "state": state,
        "code_challenge": challenge_of(verifier),
        "code_challenge_method": "S256",
    }
    if sign_in.scopes:
        fields["scope"] = " ".join(sign_in.scopes)
    if sign_in.audience:
        fields["audience"] = sign_in.audience
    return f"{sign_in.authorize_url}{'&' if '?' in sign_in.authorize_url else '?'}{urlencode(fields, quote_via=quote)}"


def in_words(error: Denied | TooSoon | UpstreamError) -> str:
    return error.message if isinstance(error, UpstreamError) else str(error)
