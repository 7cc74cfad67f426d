"""Phases `ingress` and `auth`: who calls."""

from __future__ import annotations

from functools import partial

from jackfield.control.credentials import Credential
from jackfield.control.directory import Directory
from jackfield.errors import Unauthenticated
from jackfield.hooks.caller import caller_of
from jackfield.hooks.dispatch import Decision, decide
from jackfield.pipeline.exchange import State
from jackfield.sdk.caller import act_for
from jackfield.sdk.outcomes import Headers, Identity

_made: dict[str, tuple[Credential, Identity]] = {}


async def enter(state: State) -> Decision | None:
    """The `ingress` hooks."""
    decision = await decide(state.row.ingress, state.view, state.trace, state.replace_inbound)
    state.trace.phase("ingress")
    return decision


def identify(state: State, given: Identity | None, directory: Directory) -> None:
    """Sets the identity: the one `given` by an `auth` hook, else that of the key. Raises `Unauthenticated`.

    From here on the credential is out of the request that plugins see.
    """
    state.identity = given or identity_of_key(state.inbound.headers, directory)
    if state.snapshot.table.hooks:
        state.conceals = True
        act_for(partial(caller_of, state))
    state.trace.phase("auth")


async def ask_authenticators(state: State) -> Identity | None:
    """The `auth` hooks: the first identity that one of them gives."""
    decision = await decide(state.row.auth, state.view, state.trace, _refuse_replacement)
    if decision is None:
        return None
    identity: Identity = decision.outcome  # type: ignore[assignment]
    return identity


def _refuse_replacement(value: object) -> None:
    raise AssertionError("the auth point takes no replacement")


def presented_key(headers: Headers) -> bytes | None:
    """The key in `Authorization: Bearer …` or `x-api-key`."""
    for name, value in headers:
        if name == b"authorization" and value[:7].lower() == b"bearer ":
            key = value[7:].strip()
        elif name == b"x-api-key":
            key = value.strip()
        else:
            continue
        if key:
            return key
    return None


def identity_of_key(headers: Headers, directory: Directory) -> Identity:
    key = presented_key(headers)
    if not key:
        raise Unauthenticated("No API key: send it as `Authorization: Bearer …` or `x-api-key`")
    credential = directory.identify(key)
    if credential is None:
        raise Unauthenticated("The API key is not known, or no longer valid")
    return _identity(credential)


def _identity(credential: Credential) -> Identity:
    """Made once for each version of a credential."""
    known = _made.get(credential.id)
    if known is None or known[0] is not credential:
        identity = Identity(
            app=credential.app,
            credential=credential.id,
            namespace=credential.namespace,
            role=credential.role,
            models=frozenset(credential.models),
        )
        known = _made[credential.id] = (credential, identity)
    return known[1]
