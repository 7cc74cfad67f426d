"""What the ring plugins of one exchange share, on its way to one that runs in another process, and back.

Only what JSON can hold goes along: what plugins leave for one another in the metadata and in the private fields of the
body, and the tokens that stand for people's data. An endpoint goes as its name.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from jackfield.dialects.rings.bodies import private_part
from jackfield.dialects.rings.endpoints import Endpoint
from jackfield.dialects.rings.facade import Rotator
from jackfield.dialects.rings.names.plugin_engine import PluginContext

# What the gateway tells of the exchange and its caller: each process is told it, and none takes it from another.
TOLD = frozenset({"req_id", "api_key", "_key_prefix", "_user_roles", "_request_start_time", "_health_check"})

_SIMPLE = frozenset({str, int, float, bool, type(None)})
_NESTED = (dict, list, tuple)


class Carried(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    metadata: dict[str, Any] = {}
    private: dict[str, Any] = {}
    vault: dict[str, str] = {}
    session_id: str | None = None


def gather(context: PluginContext, rotator: Rotator) -> Carried:
    return Carried(
        metadata={name: value for name, value in _plain_part(context.metadata).items() if name not in TOLD},
        private=_plain_part(private_part(context.body)),
        vault=_vault_of(rotator),
        session_id=context.session_id if isinstance(context.session_id, str) else None,
    )


def lay(carried: Carried, context: PluginContext, rotator: Rotator) -> None:
    """What is not among it stays as it is."""
    context.metadata.update({name: value for name, value in carried.metadata.items() if name not in TOLD})
    context.body.update(carried.private)
    if carried.vault or _vault_of(rotator):
        rotator.security.pii_vault = dict(carried.vault)
    if carried.session_id is not None:
        context.session_id = carried.session_id


def _plain_part(values: Mapping[str, Any]) -> dict[str, Any]:
    plain: dict[str, Any] = {}
    for name, value in values.items():
        if type(value) in _SIMPLE or (isinstance(value, _NESTED) and _is_plain(value)):
            plain[name] = value
        elif isinstance(value, Endpoint):
            plain[name] = value.id
    return plain


def _is_plain(value: Any) -> bool:
    try:
        msgspec.json.encode(value)
    except (TypeError, ValueError, UnicodeError, OverflowError, RecursionError):
        return False
    return True


def _vault_of(rotator: Rotator) -> dict[str, str]:
    vault = rotator.security.pii_vault
    return {token: original for token, original in vault.items() if isinstance(original, str)}
