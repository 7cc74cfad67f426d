"""Secrets that plugins name and never hold: the operator's, put in at the last moment, where they may go."""

from __future__ import annotations

import re
from collections.abc import Mapping

from jackfield.settings import NamedSecret
from jackfield.settings.secret import MASK
from jackfield.transport.check import EgressPolicy
from jackfield.transport.origin import Origin

_PLACE = re.compile(r"\{secret:([^{}]*)\}")


def holds_secret(text: str) -> bool:
    return "{secret:" in text


class Secrets:
    """Those of the settings, by name."""

    def __init__(self, named: Mapping[str, NamedSecret]) -> None:
        self._named = dict(named)
        self._hosts = {name: EgressPolicy.public_only(allow_hosts=secret.hosts) for name, secret in named.items()}

    def fill(self, text: str, plugin: str, origin: Origin) -> tuple[str, tuple[str, ...]]:
        """A header's value with the secrets that it names, and these. Raises `ValueError` that names the secret, and
        says nothing else of it."""
        used: list[str] = []

        def put(place: re.Match[str]) -> str:
            used.append(self._find(place[1], plugin, origin))
            return used[-1]

        filled = _PLACE.sub(put, text)
        if not used and holds_secret(text):
            raise ValueError("what begins with '{secret:' goes on with the secret's name and '}'")
        return filled, tuple(used)

    def _find(self, name: str, plugin: str, origin: Origin) -> str:
        secret = self._named.get(name)
        if secret is None or secret.value is None:
            raise ValueError(f"there is no secret {name!r:.100}")
        if plugin not in secret.plugins:
            raise ValueError(f"secret {name!r}: plugin {plugin} is not among those that may use it")
        if not self._hosts[name].lists(origin.host):
            raise ValueError(f"secret {name!r}: {origin.host} is not among the hosts that it is for")
        if origin.scheme != "https":
            raise ValueError(f"secret {name!r}: it is sent over https only, and {origin} is not")
        return secret.value.reveal()


def hide(body: bytes, secrets: tuple[str, ...]) -> bytes:
    """What a server says back of a secret is not for the plugin."""
    for secret in secrets:
        body = body.replace(secret.encode("ascii"), MASK.encode("ascii"))
    return body
