"""What a provider says of itself: in its manifest, and at `GET /metadata`. The two must tell of the same plugin."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import msgspec

from jackfield.dialects.provider.problems import Problem, Reader
from jackfield.dialects.provider.schema import Schema, read_schema

# The version of the guide's plugin API that is spoken here.
API_VERSION = "1.0.0"
CAPABILITIES = ("streaming", "function_calling", "vision", "embeddings", "fine_tuning")
LONGEST_TEXT = 10_000

_SEMVER = re.compile(r"^v?(\d{1,6})(?:\.(\d{1,6}))?(?:\.(\d{1,6}))?(?:[-+].*)?$")
_NAMEABLE = re.compile(r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")


class Capabilities(msgspec.Struct, frozen=True, kw_only=True):
    """Of a provider or one of its models; `None` is where nothing is said, which means no."""

    streaming: bool | None = None
    function_calling: bool | None = None
    vision: bool | None = None
    embeddings: bool | None = None
    fine_tuning: bool | None = None
    custom: Mapping[str, bool] = {}

    def within(self, other: Capabilities) -> Capabilities:
        """What both have; where one says nothing, what the other says."""
        return Capabilities(
            **{name: _both(getattr(self, name), getattr(other, name)) for name in CAPABILITIES},
            custom={**other.custom, **self.custom},
        )


def _both(first: bool | None, second: bool | None) -> bool | None:
    if first is None or second is None:
        return first if second is None else second
    return first and second


NO_CAPABILITIES = Capabilities()


class Metadata(msgspec.Struct, frozen=True, kw_only=True):
    name: str
    provider_type: str
    version: str = ""
    plugin_api_version: str = ""
    description: str = ""
    author: str = ""
    homepage: str = ""
    license: str = ""
    capabilities: Capabilities = NO_CAPABILITIES
    config_schema: Schema = ()


def read_metadata(data: Any, path: str, problems: list[Problem]) -> Metadata:
    """What can be understood of it. `name` and `provider_type` are required; all else is the author's choice."""
    reader = Reader(data, path, problems)
    texts = {name: reader.text(name)[:LONGEST_TEXT] for name in Metadata.__struct_fields__[:8]}
    for name in ("name", "provider_type") if isinstance(data, Mapping) else ():
        if not texts[name]:
            reader.wrong(name, f"missing {name}: {name} is required")
    if texts["provider_type"] and not _NAMEABLE.fullmatch(texts["provider_type"]):
        reader.wrong(
            "provider_type", "cannot be named in a config: use letters, digits, '.', '_' and '-'", warning=True
        )
    capabilities = read_capabilities(reader.take("capabilities"), f"{path}.capabilities".lstrip("."), problems)
    schema = read_schema(reader.items("config_schema"), f"{path}.config_schema".lstrip("."), problems)
    reader.finish()
    return Metadata(**texts, capabilities=capabilities, config_schema=schema)


def read_capabilities(given: Any, path: str, problems: list[Problem]) -> Capabilities:
    if given is None:
        return NO_CAPABILITIES
    reader = Reader(given, path, problems)
    flags = {name: reader.flag(name, default=None) for name in CAPABILITIES}
    custom = {name: value for name, value in reader.table("custom_capabilities").items() if isinstance(value, bool)}
    reader.finish()
    return Capabilities(**flags, custom=custom)


def compare_identity(manifest: Metadata, live: Metadata) -> list[Problem]:
    """Who answers must be who was meant; that they describe themselves in other words is no matter."""
    problems = []
    if live.provider_type != manifest.provider_type:
        told = f"manifest={manifest.provider_type[:100]}, plugin={live.provider_type[:100]}"
        problems.append(Problem("provider_type", f"provider type mismatch: {told}"))
    for name in ("name", "version", "plugin_api_version"):
        stated, found = getattr(manifest, name), getattr(live, name)
        if stated and found and stated != found:
            told = f"the manifest says {stated[:100]!r} and the plugin {found[:100]!r}"
            problems.append(Problem(name, told, warning=True))
    return problems


def check_api_version(version: str) -> Problem | None:
    """`None` where it fits, or nothing is said. The same major version is spoken, whatever else is new."""
    if not version:
        return None
    found = _SEMVER.fullmatch(version)
    if found is None:
        return Problem("plugin_api_version", f"is no version such as {API_VERSION}: {version[:100]!r}", warning=True)
    major, minor = int(found[1]), int(found[2] or 0)
    own_major, own_minor, _ = map(int, API_VERSION.split("."))
    if major != own_major:
        return Problem("plugin_api_version", f"{version} is not compatible: here {API_VERSION} is spoken")
    if minor > own_minor:
        return Problem(
            "plugin_api_version", f"{version} is newer than {API_VERSION}, which is spoken here", warning=True
        )
    return None
