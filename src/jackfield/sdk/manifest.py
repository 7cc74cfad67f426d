"""`jackfield.toml` in a plugin's folder."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from jackfield.errors import ManifestError
from jackfield.sdk.permissions import check_permission
from jackfield.sdk.shared import check_need, check_offer

MANIFEST_FILE = "jackfield.toml"
LONGEST_MANIFEST = 256 * 1024

Id = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_-]{0,63}$")]
Offer = Annotated[str, AfterValidator(check_offer)]
Need = Annotated[str, AfterValidator(check_need)]
Host = Annotated[str, Field(pattern=r"^(\*\.)?[a-z0-9_-]+(\.[a-z0-9_-]+)*$", max_length=253)]
EnvName = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]{0,127}$")]
AbsolutePath = Annotated[str, Field(pattern=r"^/")]
Permission = Annotated[str, AfterValidator(check_permission)]


class Needs(BaseModel):
    """Other plugins, by id, and services that plugins provide: by name, or of certain versions (`pricing >=2,<3`)."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    plugins: tuple[Id, ...] = ()
    services: tuple[Need, ...] = ()


class Reaches(BaseModel):
    """The hosts that it sends HTTP requests to: names in lower case, `*.example.com` for all below one. Without the
    list it may reach any public host."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    hosts: tuple[Host, ...] | None = None


class GrpcStart(BaseModel):
    """How a plugin over gRPC is started: `command` is a file in its folder, an absolute path, or `python` for the
    gateway's own; `sha256` is what that file must be. With `network` it may open connections of its own, and `read` are
    absolute paths that it may read and run besides its folder. Or it runs already, at `address`: `unix:/path`, or
    `host:port` on this machine."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    command: str = ""
    args: tuple[str, ...] = ()
    env: Mapping[EnvName, str] = Field(default_factory=dict)
    sha256: str | None = Field(default=None, pattern=r"^[0-9a-fA-F]{64}$")
    network: bool = False
    read: tuple[AbsolutePath, ...] = ()
    address: str | None = None
    protocol: Literal["jackfield.plugin.v1"] = "jackfield.plugin.v1"

    @model_validator(mode="after")
    def _check_place(self) -> GrpcStart:
        if bool(self.command) == bool(self.address):
            raise ValueError("say either `command`, which is started, or `address`, where it runs already")
        if self.address and (self.args or self.env or self.sha256 or self.network or self.read):
            raise ValueError("what runs already at `address` was started by others: nothing else can be said of it")
        if self.sha256 and self.command == "python":
            raise ValueError("`sha256` is for a program of the plugin's own, and `python` is the gateway's")
        return self


class Manifest(BaseModel):
    """What a plugin says of itself. Unknown keys are refused.

    Without what is in `requires` the plugin does not start; what is in `optional` only starts before it. `provides` are
    the services it gives, each with a version or without: `pricing 2.1`.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    id: Id
    version: str = "0.0.0"
    name: str = ""
    description: str = ""
    author: str = ""
    entry: str = Field(default="plugin", pattern=r"^[A-Za-z_]\w*(\.[A-Za-z_]\w*)*(:[A-Za-z_]\w*)?$")
    runtime: Literal["inprocess", "isolated", "grpc"] = "inprocess"
    priority: int = 100
    enabled: bool = True
    permissions: tuple[Permission, ...] = ()
    provides: tuple[Offer, ...] = ()
    requires: Needs = Needs()
    optional: Needs = Needs()
    http: Reaches = Reaches()
    grpc: GrpcStart | None = None

    @model_validator(mode="after")
    def _check_start(self) -> Manifest:
        if self.runtime == "grpc" and self.grpc is None:
            raise ValueError('`runtime = "grpc"` needs a table [grpc] that says how it is started')
        return self


def read_manifest(file: Path, shown: Path | None = None) -> Manifest:
    """Raises `ManifestError` naming the file, as `shown` where it is a copy, and the field."""
    return parse_manifest(read_bounded(file, shown), str(shown or file))


def parse_manifest(text: str, place: str) -> Manifest:
    """Raises `ManifestError` naming `place` and field."""
    try:
        return Manifest.model_validate(tomllib.loads(text))
    except tomllib.TOMLDecodeError as error:
        raise ManifestError(str(error), file=place) from error
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"])
        raise ManifestError(first["msg"].removeprefix("Value error, "), file=place, field=field) from error


def read_bounded(file: Path, shown: Path | None = None) -> str:
    """The text of a manifest. Raises `ManifestError` where it is too long, cannot be read or is not UTF-8."""
    place = str(shown or file)
    try:
        with file.open("rb") as stream:
            data = stream.read(LONGEST_MANIFEST + 1)
    except OSError as error:
        raise ManifestError(error.strerror or str(error), file=place) from error
    if len(data) > LONGEST_MANIFEST:
        raise ManifestError(f"is longer than {LONGEST_MANIFEST // 1024} KB", file=place)
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise ManifestError(str(error), file=place) from error
