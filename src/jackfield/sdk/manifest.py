"""`jackfield.toml` in a plugin's folder."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from jackfield.errors import ManifestError

MANIFEST_FILE = "jackfield.toml"


class Manifest(BaseModel):
    """What a plugin says of itself. Unknown keys are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    id: str = Field(pattern=r"^[a-z][a-z0-9_-]{0,63}$")
    version: str = "0.0.0"
    name: str = ""
    description: str = ""
    author: str = ""
    entry: str = Field(default="plugin", pattern=r"^[A-Za-z_]\w*(\.[A-Za-z_]\w*)*(:[A-Za-z_]\w*)?$")
    runtime: Literal["inprocess"] = "inprocess"
    priority: int = 100


def read_manifest(file: Path) -> Manifest:
    """Raises `ManifestError` naming file and field."""
    try:
        return Manifest.model_validate(tomllib.loads(file.read_text(encoding="utf-8")))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, OSError) as error:
        raise ManifestError(str(error), file=str(file)) from error
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"])
        raise ManifestError(first["msg"], file=str(file), field=field) from error
