"""On whose behalf an exchange runs, as services, tools and events are told."""

from __future__ import annotations

from hashlib import sha256

from jackfield.errors import Malformed
from jackfield.sdk.caller import Caller
from jackfield.sdk.context import ExchangeState
from jackfield.sdk.outcomes import Identity
from jackfield.wire.chat import ChatRequest, File, Image, Message, Request, Text

USER_HEADER = b"x-jackfield-user"
CONVERSATION_HEADER = b"x-jackfield-conversation"
LONGEST_NAME = 200

NOBODY = Identity()


def caller_of(state: ExchangeState) -> Caller:
    """For an exchange whose identity is known. The request is decoded, and only where its headers do not say all; what
    cannot be decoded says nothing."""
    identity = state.identity or NOBODY
    user = identity.user or _named_user(state, identity) or identity.credential
    return Caller(
        user=user,
        app=identity.app,
        credential=identity.credential,
        conversation=_header(state, CONVERSATION_HEADER) or _conversation(state, user),
        request=state.id,
        models=identity.models,
    )


def _named_user(state: ExchangeState, identity: Identity) -> str | None:
    """Whom the app names as its own end user. Its name stands before it: what one app says is nobody of another's."""
    named = _header(state, USER_HEADER)
    if named is None and (request := _request(state)) is not None and request.user:
        named = _bounded(request.user)
    if named is None:
        return None
    return f"{_as_prefix(identity.app or identity.credential or '')}/{named}"


def _as_prefix(app: str) -> str:
    """Without a `/` in it, so that no two pairs of app and user make the same name."""
    return app.replace("%", "%25").replace("/", "%2F")


def _header(state: ExchangeState, name: bytes) -> str | None:
    for key, value in state.inbound.headers:
        if key == name and (text := value.decode("utf-8", "replace").strip()):
            return _bounded(text)
    return None


def _bounded(text: str) -> str:
    """The text, or where it is no name its digest: two that differ stay two."""
    if len(text) <= LONGEST_NAME and text.isprintable():
        return text
    return f"sha256:{_digest(text)}"


def _digest(*texts: str) -> str:
    return sha256("\0".join(texts).encode("utf-8", "surrogatepass")).hexdigest()


def _request(state: ExchangeState) -> Request | None:
    try:
        return state.canonical_request()
    except Malformed:
        return None


def _conversation(state: ExchangeState, user: str | None) -> str | None:
    """A client that sends its whole history each time begins it with the same words."""
    request = _request(state)
    if not isinstance(request, ChatRequest):
        return None
    first = next((message for message in request.messages if message.role == "user"), None)
    return None if first is None else f"conv_{_digest(user or '', *_said(first))[:32]}"


def _said(message: Message) -> list[str]:
    """Without the marks for caching, which move on with every turn."""
    said = []
    for part in message.parts:
        if isinstance(part, Text):
            said.append(part.text)
        elif isinstance(part, Image | File):
            said.append(part.url or part.data or "")
    return said
