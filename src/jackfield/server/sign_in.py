"""Signing in over HTTP: `/oauth/…`. All of it needs an admin key, but for what the provider sends a browser back to."""

from __future__ import annotations

import html
from typing import Any, get_args
from urllib.parse import parse_qs

import msgspec

from jackfield.control.accounts.accounts import Accounts
from jackfield.control.accounts.desk import Begun, Desk
from jackfield.control.accounts.pending import Flow
from jackfield.control.credentials import Credential
from jackfield.control.directory import Directory
from jackfield.errors import (
    ClientGone,
    Forbidden,
    JackfieldError,
    Malformed,
    MethodNotAllowed,
    NotFound,
    Unauthenticated,
)
from jackfield.pipeline.identify import presented_key
from jackfield.server.asgi import JSON, Receive, Scope, Send, read_body
from jackfield.telemetry.masking import masked

BELOW = "/oauth/"
LIST = "/oauth/providers"
COOKIE = b"jackfield_sign_in"
COOKIE_LIVES_S = 600
MAX_BODY = 64 * 1024
NO_STORE = ((b"cache-control", b"no-store"), (b"referrer-policy", b"no-referrer"))
PAGE = (
    (b"content-type", b"text/html; charset=utf-8"),
    (b"content-security-policy", b"default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'"),
    (b"x-content-type-options", b"nosniff"),
    *NO_STORE,
)
_HTML = (
    '<!doctype html><meta charset="utf-8"><title>{title}</title>'
    '<body style="font-family: sans-serif; margin: 4em"><h1>{title}</h1><p>{text}</p>'
)


class _Login(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    flow: Flow = "ticket"
    account: str | None = None
    redirect_url: str = ""


class _Finish(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    state: str
    session: str
    code: str = ""
    redirect_url: str | None = None
    error: str = ""


class _Poll(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    state: str
    session: str


class _Which(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    account: str | None = None


class SignInPaths:
    """An ASGI application."""

    def __init__(self, accounts: Accounts, desk: Desk, directory: Directory) -> None:
        self._accounts, self._desk, self._directory = accounts, desk, directory

    def owns(self, path: str) -> bool:
        """What is below `/oauth/` and belongs to no sign-in may be a plugin's."""
        if path == LIST:
            return True
        parts = path.split("/")
        return len(parts) == 4 and path.startswith(BELOW) and self._accounts.sign_ins.find(parts[2]) is not None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Raises `JackfieldError`."""
        if scope["path"] == LIST:
            self._authorize(scope)
            _only(scope, "GET")
            await _answer(send, 200, self._list())
            return
        _, _, name, action = scope["path"].split("/")
        if action == "callback":
            _only(scope, "GET")
            await self._call_back(scope, send, name)
        elif action == "login" and scope["method"] == "GET":
            await self._open_login(scope, send, name)
        else:
            await self._act(scope, receive, send, name, action)

    async def _act(self, scope: Scope, receive: Receive, send: Send, name: str, action: str) -> None:
        caller = self._authorize(scope)
        if action not in ("login", "finish", "poll", "refresh", "logout", "revoke"):
            raise NotFound(f"There is nothing at {scope['path'][:200]}")
        _only(scope, "POST")
        try:
            body = await read_body(scope, receive, MAX_BODY, lambda: None)
        except ClientGone:
            return
        status, told = await self._do(name, action, body, caller.id)
        await _answer(send, status, told)

    async def _do(self, name: str, action: str, body: bytes, actor: str) -> tuple[int, Any]:
        if action == "login":
            asked = _read(body, _Login)
            begun = await self._desk.begin(
                name, asked.flow, actor=actor, label=asked.account, redirect_url=asked.redirect_url
            )
            return 200, begun
        if action == "finish":
            back = _read(body, _Finish)
            return 200, await self._desk.finish(name, **msgspec.structs.asdict(back))
        if action == "poll":
            polled = _read(body, _Poll)
            found = await self._desk.poll(name, state=polled.state, session=polled.session)
            return (202, {"retry_after_s": found}) if isinstance(found, float) else (200, found)
        which = _read(body, _Which).account
        if action == "refresh":
            return 200, await self._accounts.refresh(name, which)
        view, trouble = await self._accounts.sign_out(name, which, actor=actor)
        return 200, {"account": view, "revoked": trouble is None, "reason": trouble}

    async def _open_login(self, scope: Scope, send: Send, name: str) -> None:
        """In a browser: with a ticket that an admin key was given, or with the key itself."""
        ticket = _query(scope).get("ticket")
        if ticket is not None:
            begun = await self._desk.redeem(name, ticket)
        else:
            caller = self._authorize(scope)
            begun = await self._desk.begin(name, "callback", actor=caller.id)
        headers = [(b"location", begun.url.encode("ascii")), (b"set-cookie", _cookie(name, begun)), *NO_STORE]
        await send({"type": "http.response.start", "status": 302, "headers": headers})
        await send({"type": "http.response.body", "body": b""})

    async def _call_back(self, scope: Scope, send: Send, name: str) -> None:
        """Who comes with a state and without the cookie of the browser that began is somebody else."""
        told = _query(scope)
        state = told.get("state")
        if not state:
            await _show(send, 400, "Not signed in", "The address has no state: begin anew.")
            return
        try:
            view = await self._desk.finish(
                name,
                state=state,
                session=_session(scope),
                code=told.get("code", ""),
                error=told.get("error", ""),
            )
        except JackfieldError as error:
            await _show(send, error.status, "Not signed in", f"{error.message} ({error.code})")
            return
        await _show(send, 200, "Signed in", f"{view.provider}: {view.account}. You may close this page.")

    def _list(self) -> dict[str, Any]:
        views = self._accounts.views()
        providers = [
            {
                "name": declared.name,
                "title": declared.sign_in.title or declared.name,
                "declared_by": declared.owner,
                "flows": flows_of(declared.sign_in),
                "scopes": declared.sign_in.scopes,
                "callback": {
                    "host": declared.sign_in.callback_host,
                    "port": declared.sign_in.callback_port,
                    "path": declared.sign_in.callback_path,
                },
            }
            for declared in self._accounts.sign_ins.all()
        ]
        return {"providers": providers, "accounts": views}

    def _authorize(self, scope: Scope) -> Credential:
        """Raises `Unauthenticated` or `Forbidden`."""
        key = presented_key(scope["headers"])
        credential = self._directory.identify(key) if key else None
        if credential is None:
            raise Unauthenticated("Signing in needs an admin key")
        if credential.role != "admin":
            raise Forbidden("Signing in needs an admin key, and this one is for inference")
        return credential


def flows_of(sign_in: Any) -> list[str]:
    """Those that it can be signed in by, the usual one first."""
    by_code = [flow for flow in get_args(Flow) if flow not in ("device", "ticket")]
    return [*(by_code if sign_in.authorize_url else ()), *(("device",) if sign_in.device_url else ())]


def _read(body: bytes, kind: type[Any]) -> Any:
    try:
        return msgspec.json.decode(body or b"{}", type=kind)
    except msgspec.DecodeError as error:
        raise Malformed(f"the body is not as expected: {error}") from error


def _only(scope: Scope, method: str) -> None:
    if scope["method"] != method:
        raise MethodNotAllowed(f"{scope['method']} {scope['path'][:200]}: the method is {method}")


def _query(scope: Scope) -> dict[str, str]:
    """Where a name comes twice none of its values is taken: which one counts is not to be guessed."""
    try:
        told = parse_qs(scope["query_string"].decode("latin-1"), max_num_fields=50)
    except ValueError as error:
        raise Malformed("the address has too many fields") from error
    return {name: values[0] for name, values in told.items() if len(values) == 1}


def _cookie(name: str, begun: Begun) -> bytes:
    secure = "; Secure" if begun.redirect_url.startswith("https://") else ""
    text = f"{COOKIE.decode()}={begun.session}; Path=/oauth/{name}/; Max-Age={COOKIE_LIVES_S}; HttpOnly; SameSite=Lax"
    return (text + secure).encode("ascii")


def _session(scope: Scope) -> str:
    for name, value in scope["headers"]:
        if name == b"cookie":
            for pair in value.split(b";"):
                key, _, text = pair.strip().partition(b"=")
                if key == COOKIE:
                    return str(text.decode("latin-1"))
    return ""


async def _answer(send: Send, status: int, told: Any) -> None:
    headers = [*JSON, *NO_STORE]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": msgspec.json.encode(told)})


async def _show(send: Send, status: int, title: str, text: str) -> None:
    page = _HTML.format(title=html.escape(title), text=html.escape(masked(text)))
    await send({"type": "http.response.start", "status": status, "headers": list(PAGE)})
    await send({"type": "http.response.body", "body": page.encode()})
