"""How tokens are kept: encrypted (AES-256-GCM) with a key that the database does not have."""

from __future__ import annotations

import os
import secrets
import stat
from collections.abc import Mapping
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from jackfield.control.secret import load_secret
from jackfield.errors import ConfigError

VARIABLE = "JACKFIELD_ACCOUNTS_KEY"
FILE = "accounts.key"
SHORTEST = 32
_NONCE = 12
_FORM = b"\x01"


class Sealer:
    """What was sealed with a purpose opens with no other: a row cannot be passed off as another."""

    def __init__(self, secret: bytes) -> None:
        key = HKDF(SHA256(), 32, salt=None, info=b"jackfield accounts 1").derive(secret)
        self._cipher = AESGCM(key)

    def seal(self, plain: bytes, purpose: str) -> bytes:
        nonce = secrets.token_bytes(_NONCE)
        return _FORM + nonce + self._cipher.encrypt(nonce, plain, purpose.encode())

    def open(self, sealed: bytes, purpose: str) -> bytes:
        """Raises `ValueError` where it was sealed with another key or purpose, or changed since."""
        if sealed[:1] != _FORM:
            raise ValueError("it was sealed by another version of Jackfield")
        nonce, body = sealed[1 : 1 + _NONCE], sealed[1 + _NONCE :]
        try:
            return self._cipher.decrypt(nonce, body, purpose.encode())
        except (InvalidTag, ValueError):
            raise ValueError(f"it was sealed with another key: restore {VARIABLE} or {FILE}") from None


def load_sealer(data_dir: Path, environ: Mapping[str, str]) -> Sealer:
    """With the key of the environment, or one that is made once and kept in the data folder. Raises `ConfigError` where
    it is too short, or others can read the file."""
    secret = load_secret(data_dir, environ, variable=VARIABLE, file=FILE, shortest=SHORTEST)
    if VARIABLE not in environ:
        _check_private(data_dir / FILE)
    return Sealer(secret)


def _check_private(path: Path) -> None:
    mode = stat.S_IMODE(os.stat(path).st_mode)
    if mode & 0o077:
        raise ConfigError(
            f"{path} can be read by others (mode {mode:04o}): `chmod 600` it, and sign in anew where others are",
            field="store.data_dir",
        )
