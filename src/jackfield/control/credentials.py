"""API keys: random text shown once, kept as HMAC-SHA-256.

A key is `jf-` and 40 letters and digits (238 random bits). There is no checksum: telling a wrong key from
an unknown one costs a microsecond as it is."""

from __future__ import annotations

import hmac
import secrets
import string
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal, Self

import msgspec

from jackfield.clock import Clock
from jackfield.control.objects import DEFAULT_NAMESPACE, ControlObjects
from jackfield.control.secret import load_secret
from jackfield.errors import ConfigError, Conflict, NotFound, Unavailable, Unprocessable
from jackfield.ids import new_id
from jackfield.stores.database import Database
from jackfield.stores.objects import StoredObject

KIND = "credential"
PREFIX = "jf-"
ALPHABET = string.ascii_letters + string.digits
LENGTH = 40
ENVIRONMENT_ID = "key_environment_{role}"
FIRST_ID = "key_first_{role}"
VARIABLES: Mapping[str, str] = {"admin": "JACKFIELD_ADMIN_KEY", "inference": "JACKFIELD_API_KEY"}

Role = Literal["inference", "admin"]


class CredentialBody(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """As stored. `secret_mark` tells which secret `digest` was made with, without telling anything of it."""

    name: str
    role: Role
    digest: str
    secret_mark: str
    last4: str
    app: str | None = None
    models: tuple[str, ...] = ()
    expires_at: float | None = None
    revoked_at: float | None = None


class Credential(msgspec.Struct, frozen=True, kw_only=True):
    """As the rest of the gateway sees it. `last4` is empty for keys too short to show any of."""

    id: str
    name: str
    role: Role
    app: str | None
    namespace: str
    created_at: float
    expires_at: float | None
    revoked_at: float | None
    models: tuple[str, ...]
    last4: str

    def allows(self, model: str) -> bool:
        return not self.models or model in self.models

    def is_live(self, now: float) -> bool:
        return self.revoked_at is None and (self.expires_at is None or now < self.expires_at)


class Issued(msgspec.Struct, frozen=True):
    """`text` is the key itself: it exists here and nowhere else."""

    credential: Credential
    text: str


class FirstKeys(msgspec.Struct, frozen=True):
    """Keys made at random at this start, for the operator to see once."""

    admin: str | None = None
    inference: str | None = None


class Hasher:
    """Turns a presented key into what is stored of it."""

    def __init__(self, secret: bytes) -> None:
        self._secret = secret
        self.mark = hmac.digest(secret, b"jackfield secret mark", "sha256").hex()[:16]

    def digest(self, presented: str | bytes) -> bytes:
        data = presented if isinstance(presented, bytes) else presented.encode("utf-8", "surrogatepass")
        return hmac.digest(self._secret, data, "sha256")


class Credentials:
    def __init__(self, database: Database, secret: bytes, clock: Clock) -> None:
        self._objects = ControlObjects(database, clock, {KIND: CredentialBody})
        self._hasher = Hasher(secret)
        self._clock = clock

    @classmethod
    def of(cls, database: Database, data_dir: Path, environ: Mapping[str, str], clock: Clock) -> Self:
        return cls(database, load_secret(data_dir, environ), clock)

    async def create(
        self,
        *,
        name: str | None = None,
        role: Role = "inference",
        app: str | None = None,
        namespace: str = DEFAULT_NAMESPACE,
        expires_at: float | None = None,
        models: tuple[str, ...] = (),
        actor: str,
    ) -> Issued:
        """Without a name the id is the name. A name that a key still bears is refused."""
        if expires_at is not None and expires_at <= self._clock.wall():
            raise Unprocessable("a new key cannot have expired already", param="expires_at")
        key_id = new_id("key")
        name = name or key_id
        if any(found.name == name and found.revoked_at is None for found in await self.list()):
            raise Conflict(f"there is a key named {name!r} already: revoke it first, or choose another name")
        text = make_text()
        body = self._body(text, name, role, app=app, models=models, expires_at=expires_at)
        stored = await self._objects.put(KIND, key_id, body, actor=actor, namespace=namespace, expected_revision=0)
        return Issued(view(stored), text)

    async def list(self) -> tuple[Credential, ...]:
        """Oldest first; revoked and expired ones too."""
        return tuple(view(stored) for stored in await self._objects.stored.list(KIND))

    async def revoke(self, id_or_name: str, *, actor: str) -> Credential:
        stored = await self._named(id_or_name)
        body = body_of(stored)
        if body.revoked_at is not None:
            raise Conflict(f"key {id_or_name} is revoked already")
        revoked = msgspec.structs.replace(body, revoked_at=self._clock.wall())
        after = await self._objects.put(
            KIND,
            stored.id,
            revoked,
            actor=actor,
            namespace=stored.namespace,
            expected_revision=stored.revision,
        )
        return view(after)

    async def _named(self, id_or_name: str) -> StoredObject:
        """By id, else by name; of several that bore the name, the one that is not revoked."""
        every = await self._objects.stored.list(KIND)
        found = [stored for stored in every if stored.id == id_or_name] or [
            stored for stored in every if body_of(stored).name == id_or_name
        ]
        living = [stored for stored in found if body_of(stored).revoked_at is None]
        if not found:
            raise NotFound(f"there is no key with the id or name {id_or_name!r}")
        if len(living) > 1:
            ids = ", ".join(stored.id for stored in living)
            raise Conflict(f"several keys are named {id_or_name!r}: say which by id: {ids}")
        return living[0] if living else found[-1]

    async def first_keys(self, admin_env: str | None, inference_env: str | None) -> FirstKeys:
        """For every start, in every worker: the operator's keys from the environment, or random ones the
        first time.

        A key from the environment is kept as the credential `key_environment_<role>`. When the variable's
        value changes, that credential takes the new key and the former one stops working; all other keys of
        the role stay as they are, and so does the credential when the variable goes away. A key that was
        revoked stays revoked though the variable still holds it. A random key is made only where the role
        never had a credential, so a second start, or a second worker starting at once, makes none."""
        if admin_env is not None and admin_env == inference_env:
            raise ConfigError("JACKFIELD_ADMIN_KEY and JACKFIELD_API_KEY hold the same key")
        every = await self._objects.stored.list(KIND)
        self._check_secret(every)
        return FirstKeys(
            admin=await self._first_key("admin", admin_env, every),
            inference=await self._first_key("inference", inference_env, every),
        )

    def _check_secret(self, every: Sequence[StoredObject]) -> None:
        now = self._clock.wall()
        for stored in every:
            if body_of(stored).secret_mark != self._hasher.mark and view(stored).is_live(now):
                raise ConfigError(
                    f"key {stored.id} was made with another secret, so no one could use it:"
                    " restore JACKFIELD_SECRET or secret.key, or revoke the key"
                )

    async def _first_key(self, role: Role, given: str | None, every: Sequence[StoredObject]) -> str | None:
        if given is not None:
            await self._take_from_environment(role, given, every)
            return None
        if any(body_of(stored).role == role for stored in every):
            return None
        text = make_text()
        made = await self._put_first(FIRST_ID.format(role=role), self._body(text, f"first {role} key", role), 0)
        return text if made else None

    async def _take_from_environment(self, role: Role, given: str, every: Sequence[StoredObject]) -> None:
        variable = VARIABLES[role]
        if not given.isascii() or not given.isprintable() or not given or " " in given:
            raise ConfigError(f"{variable} must be printable ASCII text without spaces")
        body = self._body(given, variable, role)
        same = [body_of(stored) for stored in every if body_of(stored).digest == body.digest]
        if any(found.role != role for found in same):
            raise ConfigError(f"{variable} holds a key that is stored with another role, as {same[0].name!r}")
        if same:
            return
        object_id = ENVIRONMENT_ID.format(role=role)
        seen = next((stored.revision for stored in every if stored.id == object_id), 0)
        await self._put_first(object_id, body, seen)

    async def _put_first(self, object_id: str, body: CredentialBody, seen: int) -> bool:
        """False where another worker, starting at the same time, was first."""
        try:
            await self._objects.put(KIND, object_id, body, actor="start", expected_revision=seen)
        except Conflict:
            return False
        return True

    def _body(
        self,
        text: str,
        name: str,
        role: Role,
        *,
        app: str | None = None,
        models: tuple[str, ...] = (),
        expires_at: float | None = None,
    ) -> CredentialBody:
        return CredentialBody(
            name=name,
            role=role,
            digest=self._hasher.digest(text).hex(),
            secret_mark=self._hasher.mark,
            last4=text[-4:] if len(text) >= 16 else "",
            app=app,
            models=models,
            expires_at=expires_at,
        )


def make_text() -> str:
    return PREFIX + "".join(secrets.choice(ALPHABET) for _ in range(LENGTH))


def body_of(stored: StoredObject) -> CredentialBody:
    try:
        return msgspec.convert(stored.body, type=CredentialBody)
    except msgspec.ValidationError as error:
        raise Unavailable(f"key {stored.id} was written by another version of Jackfield: {error}") from error


def view(stored: StoredObject) -> Credential:
    body = body_of(stored)
    return Credential(
        id=stored.id,
        name=body.name,
        role=body.role,
        app=body.app,
        namespace=stored.namespace,
        created_at=stored.created_at,
        expires_at=body.expires_at,
        revoked_at=body.revoked_at,
        models=body.models,
        last4=body.last4,
    )
