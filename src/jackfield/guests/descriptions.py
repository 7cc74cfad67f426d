"""Whether what a guest says of itself may be so. It is a stranger's word: what does not fit is refused, with the
reason, and nothing of it is used."""

from __future__ import annotations

import keyword
import re
from collections.abc import Collection
from typing import Any

import msgspec
from pydantic import ValidationError

from jackfield.dialects.rings.adapter import KEEPING, STRIPPING
from jackfield.errors import ManifestError
from jackfield.guests.protocol import PROTOCOL_VERSION, Description
from jackfield.sdk.hooks import HookSpec, hook
from jackfield.sdk.manifest import Manifest
from jackfield.sources.base import Found

MOST_HOOKS = 100
MOST_NAMES = 100
LONGEST_NAME = 100
LARGEST_SCHEMA = 256 * 1024
# In characters: as much of a stream as may be kept back for one hook.
LONGEST_HOLD = 1024 * 1024
LONGEST_TIMEOUT_MS = 600_000

_AGENT = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
# What only a dialect of ours may say of a hook, and the hooks that the ring dialect binds beside its author's.
_OURS = ("own_policy", "inner", "forward")
_RING = "ring"
_BESIDE = (STRIPPING, *KEEPING)


def check_description(found: Found, description: Description, taken: Collection[str]) -> Manifest:
    """Its manifest. `taken` are names that no hook may have. Raises `ManifestError`."""
    if description.protocol != PROTOCOL_VERSION:
        raise _refuse(found, "protocol", f"speaks version {description.protocol}; here is {PROTOCOL_VERSION}")
    manifest = _manifest(found, description)
    _check_forms(found, description)
    _check_names(found, "aliases", description.aliases)
    if not _AGENT.fullmatch(description.agent):
        raise _refuse(found, "agent", f"is no name of a program: {description.agent!r:.100}")
    if "http" in description.serves:
        raise _refuse(found, "serves", "a provider over HTTP tells addresses without waiting: it runs in process")
    if len(description.hooks) > MOST_HOOKS:
        raise _refuse(found, "hooks", f"are {len(description.hooks):,}; a plugin has at most {MOST_HOOKS}")
    seen: set[tuple[str, str]] = set()
    for spec in description.hooks:
        _check_hook(found, spec, taken)
        if (spec.name, spec.point) in seen:
            raise _refuse(found, "hooks", f"{spec.name} is there twice at {spec.point}")
        seen.add((spec.name, spec.point))
    return manifest


def _manifest(found: Found, description: Description) -> Manifest:
    """That of its file, where it has one: what else it may say of itself changes nothing."""
    stated = found.manifest()
    told = description.manifest
    if stated is None:
        try:
            return Manifest.model_validate(dict(told))
        except ValidationError as error:
            first = error.errors()[0]
            field = ".".join(("manifest", *(str(part) for part in first["loc"])))
            raise _refuse(found, field, first["msg"].removeprefix("Value error, ")) from error
    if told.get("id") != stated.id:
        raise _refuse(found, "manifest.id", f"is {told.get('id')!r:.100}, and the plugin is {stated.id!r}")
    return stated


def _check_forms(found: Found, description: Description) -> None:
    for name in ("config_schema", "ui_schema", "offers"):
        size = len(msgspec.json.encode(getattr(description, name)))
        if size > LARGEST_SCHEMA:
            raise _refuse(found, name, f"has {size:,} bytes, of at most {LARGEST_SCHEMA:,}")


def _check_names(found: Found, field: str, names: tuple[str, ...]) -> None:
    if len(names) > MOST_NAMES or any(not name or len(name) > LONGEST_NAME for name in names):
        raise _refuse(found, field, f"are more than {MOST_NAMES} names, or longer than {LONGEST_NAME} characters")


def _check_hook(found: Found, spec: HookSpec, taken: Collection[str]) -> None:
    name = spec.name
    if not name.isidentifier() or keyword.iskeyword(name) or len(name) > LONGEST_NAME or name.startswith("__"):
        raise _refuse(found, "hooks", f"{name!r:.100} is no name of a hook")
    if name in taken:
        raise _refuse(found, "hooks", f"{name!r} is a name that every plugin has")
    if found.dialect == _RING and spec in _BESIDE:
        return
    _check_names(found, f"hooks.{name}", (*spec.before, *spec.after))
    if max(spec.hold, spec.look_behind) > LONGEST_HOLD or (spec.timeout_ms or 1) > LONGEST_TIMEOUT_MS:
        raise _refuse(found, f"hooks.{name}", f"holds more than {LONGEST_HOLD:,} characters, or waits too long")
    _check_rules(found, spec)


def _check_rules(found: Found, spec: HookSpec) -> None:
    """What `@hook` would have refused."""
    ours = [name for name in _OURS if getattr(spec, name)]
    if found.dialect == _RING:
        _check_ring(found, spec)
        return
    if ours or not spec.sees_errors:
        raise _refuse(found, f"hooks.{spec.name}", f"{', '.join(ours) or 'sees_errors'} is for dialects")
    options: dict[str, Any] = {
        name: getattr(spec, name)
        for name in spec.__struct_fields__
        if name not in (*_OURS, "point", "name", "sees_errors")
    }
    try:
        hook(spec.point, **options)
    except TypeError as error:
        raise _refuse(found, f"hooks.{spec.name}", str(error)) from error


def _check_ring(found: Found, spec: HookSpec) -> None:
    """Where its one hook is and what becomes of its failures its manifest tells, without running any of its code."""
    stated = found.hook()
    fits = (
        stated is not None
        and (spec.name, spec.point, spec.on_failure) == (stated.name, stated.point, stated.on_failure)
        and not spec.inner
        and not (spec.replaces_record or spec.hold or spec.look_behind or spec.before or spec.after)
    )
    if not fits:
        raise _refuse(found, f"hooks.{spec.name}", "is not the hook of its manifest")


def _refuse(found: Found, field: str, message: str) -> ManifestError:
    return ManifestError(message, file=found.place, field=field)
