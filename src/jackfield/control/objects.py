"""The one way in which control objects change: validated, written with the next revision and audited, all
or nothing."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

import msgspec
from sqlalchemy.ext.asyncio import AsyncConnection

from jackfield.clock import Clock
from jackfield.errors import Unprocessable
from jackfield.stores.audit import AuditLog, Entry
from jackfield.stores.database import Database
from jackfield.stores.objects import Change, Objects, StoredObject

DEFAULT_NAMESPACE = "default"


class ControlObjects:
    """`bodies` says, by kind, what a body must look like: closed structs, so that an unknown field is
    refused."""

    def __init__(self, database: Database, clock: Clock, bodies: Mapping[str, type[msgspec.Struct]]) -> None:
        self.stored = Objects(database)
        self._database = database
        self._audit = AuditLog(database)
        self._clock = clock
        self._bodies = bodies

    async def put(
        self,
        kind: str,
        id: str,  # noqa: A002 - the column's name
        body: Mapping[str, Any] | msgspec.Struct,
        *,
        actor: str,
        namespace: str = DEFAULT_NAMESPACE,
        expected_revision: int | None = None,
    ) -> StoredObject:
        """`expected_revision`: 0 for an object that must not be there yet, `None` for whatever is there."""
        valid = self._validate(kind, body)
        at = self._clock.wall()
        async with self._database.writing() as transaction:
            change = await self.stored.put(
                transaction, kind, id, valid, namespace=namespace, at=at, expected_revision=expected_revision
            )
            await self._record(transaction, change, actor, "update" if change.before else "create")
        return change.after

    async def delete(
        self,
        kind: str,
        id: str,  # noqa: A002
        *,
        actor: str,
        expected_revision: int | None = None,
    ) -> StoredObject:
        at = self._clock.wall()
        async with self._database.writing() as transaction:
            change = await self.stored.delete(transaction, kind, id, at=at, expected_revision=expected_revision)
            await self._record(transaction, change, actor, "delete")
        return change.after

    def _validate(self, kind: str, body: Mapping[str, Any] | msgspec.Struct) -> dict[str, Any]:
        plain = msgspec.to_builtins(body)
        try:
            valid: dict[str, Any] = msgspec.to_builtins(msgspec.convert(plain, type=self._bodies[kind]))
        except msgspec.ValidationError as error:
            reason, _, place = str(error).partition(" - at `$")
            field = place.strip(".`") or None
            raise Unprocessable(f"{kind}: {f'{field}: ' if field else ''}{reason}", param=field) from error
        return valid

    async def _record(self, transaction: AsyncConnection, change: Change, actor: str, action: str) -> None:
        after = change.after
        entry = Entry(
            at=after.updated_at,
            actor=actor,
            action=action,
            kind=after.kind,
            object_id=after.id,
            namespace=after.namespace,
            revision=after.revision,
            before_digest=digest(change.before.body) if change.before else None,
            after_digest=digest(after.body),
        )
        await self._audit.append(transaction, entry)


def digest(body: dict[str, Any] | None) -> str | None:
    """SHA-256 over the body's JSON with sorted keys, so that equal bodies have equal digests."""
    if body is None:
        return None
    return hashlib.sha256(msgspec.json.encode(body, order="sorted")).hexdigest()
