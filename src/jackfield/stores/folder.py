"""The data folder and what is made in it: readable by the owner alone."""

from __future__ import annotations

import os
from pathlib import Path

from jackfield.errors import ConfigError


def make_private_folder(folder: Path) -> None:
    """Leaves a folder that is there as its owner made it."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(f"{folder} cannot be made: {error.strerror}", field="store.data_dir") from error


def make_private_file(path: Path) -> None:
    try:
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
    except OSError as error:
        raise ConfigError(f"{path} cannot be opened: {error.strerror}", field="store.data_dir") from error
