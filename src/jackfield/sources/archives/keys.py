"""Who signs, and whose signature counts: ed25519 keys."""

from __future__ import annotations

import base64
import hashlib
import os
from collections.abc import Iterable, Mapping
from pathlib import Path

import msgspec
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)

from jackfield.errors import ConfigError, ManifestError
from jackfield.settings import read_public_key, show_public_key

LONGEST_KEY_FILE = 16 * 1024
LONGEST_SIGNATURE = 4 * 1024


class PublicKey(msgspec.Struct, frozen=True):
    """`name` is what the operator calls whoever has the private one."""

    name: str
    raw: bytes

    @classmethod
    def of(cls, name: str, text: str) -> PublicKey:
        """Raises `ValueError`."""
        return cls(name, read_public_key(text))

    @property
    def text(self) -> str:
        return show_public_key(self.raw)

    @property
    def fingerprint(self) -> str:
        return fingerprint_of(self.raw)


class Signature(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`key` is the fingerprint of the public key. What is signed are bytes as they stand."""

    key: str
    signature: str
    algorithm: str = "ed25519"


class SigningKey:
    def __init__(self, private: Ed25519PrivateKey) -> None:
        self._private = private
        self.public = PublicKey("", private.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw))

    @classmethod
    def make(cls) -> SigningKey:
        return cls(Ed25519PrivateKey.generate())

    @classmethod
    def read(cls, file: Path) -> SigningKey:
        """Raises `ConfigError` naming the file."""
        try:
            if file.stat().st_size > LONGEST_KEY_FILE:
                raise ConfigError("is too long for a key", file=str(file))
            private = load_pem_private_key(file.read_bytes(), None)
        except OSError as error:
            raise ConfigError(error.strerror or str(error), file=str(file)) from error
        except (ValueError, TypeError, UnsupportedAlgorithm) as error:
            raise ConfigError("holds no private key in PEM form without a password", file=str(file)) from error
        if not isinstance(private, Ed25519PrivateKey):
            raise ConfigError("holds a key of another kind than ed25519", file=str(file))
        return cls(private)

    def write(self, file: Path) -> None:
        """A new file that its owner alone may read. Raises `ConfigError` where there is one already."""
        pem = self._private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        try:
            descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
            with os.fdopen(descriptor, "wb") as stream:
                stream.write(pem)
        except OSError as error:
            raise ConfigError(error.strerror or str(error), file=str(file)) from error

    def sign(self, data: bytes) -> Signature:
        made = base64.b64encode(self._private.sign(data)).decode("ascii")
        return Signature(self.public.fingerprint, made)


class TrustedKeys:
    """Whose signatures count, by fingerprint."""

    def __init__(self, keys: Iterable[PublicKey] = ()) -> None:
        self._keys = {key.fingerprint: key for key in keys}

    @classmethod
    def of(cls, texts: Mapping[str, str]) -> TrustedKeys:
        """Raises `ValueError`."""
        return cls(PublicKey.of(name, text) for name, text in texts.items())

    def __or__(self, other: TrustedKeys) -> TrustedKeys:
        return TrustedKeys((*other._keys.values(), *self._keys.values()))

    def find(self, fingerprint: str) -> PublicKey | None:
        return self._keys.get(fingerprint)

    def check(self, data: bytes, signature: Signature, place: str) -> PublicKey | None:
        """The key that signed `data`, `None` where it is nobody's that is known. Raises `ManifestError` where a known
        key has not signed it."""
        key = self.find(signature.key)
        if key is None:
            return None
        if not is_signed(data, signature, key):
            raise ManifestError(f"is refused: {key.name!r} has not signed what it holds", file=place)
        return key


def is_signed(data: bytes, signature: Signature, key: PublicKey) -> bool:
    if signature.algorithm != "ed25519" or signature.key != key.fingerprint:
        return False
    try:
        Ed25519PublicKey.from_public_bytes(key.raw).verify(base64.b64decode(signature.signature, validate=True), data)
    except (InvalidSignature, ValueError):
        return False
    return True


def is_private_key(data: bytes) -> bool:
    """Whether it is what `SigningKey.write` writes, or as good as that to whoever wants to sign."""
    if len(data) > LONGEST_KEY_FILE or b"PRIVATE KEY" not in data:
        return False
    try:
        return isinstance(load_pem_private_key(data, None), Ed25519PrivateKey)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        return False


def fingerprint_of(raw: bytes) -> str:
    return hashlib.sha256(raw).hexdigest()
