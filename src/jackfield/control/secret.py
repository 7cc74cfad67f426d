"""Secrets of the gateway itself, such as the one that API keys are hashed with: from the environment, or made once and
kept in the data folder."""

from __future__ import annotations

import os
import secrets
from collections.abc import Mapping
from pathlib import Path

from jackfield.errors import ConfigError
from jackfield.stores.folder import make_private_folder

VARIABLE = "JACKFIELD_SECRET"
FILE = "secret.key"
SHORTEST = 16


def load_secret(
    data_dir: Path,
    environ: Mapping[str, str],
    *,
    variable: str = VARIABLE,
    file: str = FILE,
    shortest: int = SHORTEST,
) -> bytes:
    """Any number of processes starting at once get the same secret."""
    given = environ.get(variable)
    if given is not None:
        return _checked(given.encode("utf-8", "surrogateescape"), variable, shortest)
    path = data_dir / file
    try:
        if not path.exists():
            make_private_folder(data_dir)
            _create(path)
        return _checked(path.read_bytes().strip(), str(path), shortest)
    except OSError as error:
        raise ConfigError(f"{path} cannot be read or made: {error.strerror}", field="store.data_dir") from error


def _create(path: Path) -> None:
    """Writes it whole under another name first; linking then fails for all but one process."""
    draft = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(secrets.token_hex(32).encode())
            file.flush()
            os.fsync(file.fileno())
        path.hardlink_to(draft)
    except FileExistsError:
        pass  # another process was first: its secret is the one
    finally:
        draft.unlink()


def _checked(secret: bytes, where: str, shortest: int) -> bytes:
    if len(secret) < shortest:
        raise ConfigError(f"{where} is too short for a secret: at least {shortest} characters")
    return secret
