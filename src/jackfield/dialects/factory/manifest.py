"""From a factory's manifest to the host's."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from jackfield.dialects.factory.names.declarations import PluginManifest
from jackfield.errors import ManifestError
from jackfield.sdk.manifest import Manifest, Needs

# Its guide promises every plugin a client and a scheduler, and to be told of what happens.
PERMISSIONS = ("http:outbound", "events:subscribe", "scheduler:read", "scheduler:write")
SIGNS_IN = "credentials:use"
_FIELDS = {"id": "name", "requires.plugins": "dependencies", "requires.services": "requires"}


class OpenConfig(BaseModel):
    """Of a plugin without a `config_class`: whatever the operator says."""

    model_config = ConfigDict(extra="allow")

    enabled: bool = True


def read_manifest(declared: Any, place: str, *, signs_in: bool = False) -> Manifest:
    """`signs_in` is whether it has to do with accounts. Raises `ManifestError` naming the field."""
    if not isinstance(declared, PluginManifest):
        raise ManifestError(f"the factory's manifest is a {type(declared).__name__}, no PluginManifest", file=place)
    try:
        return Manifest(
            id=declared.name,
            version=str(declared.version),
            name=declared.name,
            description=declared.description,
            permissions=(*PERMISSIONS, SIGNS_IN) if signs_in else PERMISSIONS,
            provides=tuple(declared.provides),
            requires=Needs(plugins=tuple(declared.dependencies), services=tuple(declared.requires)),
            optional=Needs(services=tuple(declared.optional_requires)),
        )
    except ValidationError as error:
        first = error.errors()[0]
        path = ".".join(str(part) for part in first["loc"] if not isinstance(part, int))
        told = first["msg"].removeprefix("Value error, ")
        raise ManifestError(told, file=place, field=_FIELDS.get(path, path)) from error


def config_of(declared: PluginManifest, place: str) -> type[BaseModel]:
    """Raises `ManifestError` for what is no model."""
    model = declared.config_class
    if model is None:
        return OpenConfig
    if isinstance(model, type) and issubclass(model, BaseModel):
        return model
    raise ManifestError(f"{model!r:.100} is no pydantic model", file=place, field="config_class")
