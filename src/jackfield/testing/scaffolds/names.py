"""What a new plugin is called in each place where its name stands."""

from __future__ import annotations

import keyword
import pkgutil
import re
import sys

import msgspec

from jackfield import plugins
from jackfield.errors import ConfigError
from jackfield.sdk.serve.metadata import port_of

IDENTIFIER = re.compile(r"[a-z][a-z0-9_]{0,63}")
DASHED = re.compile(r"[a-z][a-z0-9-]{0,63}")
EITHER = re.compile(r"[a-z][a-z0-9_-]{0,63}")
# What the name must be where it becomes a module's name, a toolbox id, a provider type or a native id.
PATTERNS = {"native": EITHER, "ring": IDENTIFIER, "factory": IDENTIFIER, "toolbox": DASHED, "provider": DASHED}
# Classes that the templates import or make themselves.
_SDK = frozenset({"Plugin", "PluginConfig", "Reject", "BasePlugin", "PluginContext", "PluginHook", "PluginResponse"})
_TAKEN = _SDK | {"Any", "Dict", "Field", "Settings", "SystemPlugin"}


class Names(msgspec.Struct, frozen=True):
    """Of one new plugin."""

    name: str
    module: str
    title: str
    kind: str
    port: int

    @classmethod
    def of(cls, dialect: str, name: str) -> Names:
        """Raises `ConfigError` where a plugin of this dialect cannot have that name."""
        _refuse_bad_name(dialect, name)
        words = [word for word in re.split("[-_]", name) if word]
        kind = "".join(word.capitalize() for word in words)
        return cls(
            name=name,
            module=name.replace("-", "_"),
            title=" ".join(word.capitalize() for word in words),
            kind=f"{kind}Plugin" if kind in _TAKEN or keyword.iskeyword(kind) else kind,
            port=port_of(name),
        )

    def values(self) -> dict[str, str]:
        """By the word that stands for each in the templates."""
        fields = {"name": self.name, "module": self.module, "title": self.title}
        return {**fields, "class": self.kind, "port": str(self.port)}


def _refuse_bad_name(dialect: str, name: str) -> None:
    pattern = PATTERNS[dialect]
    if not pattern.fullmatch(name):
        raise ConfigError(
            f"{name!r} cannot be the name of a {dialect} plugin: {_wanted(pattern)}{_hint(pattern, name)}"
        )
    if name in builtin_ids():
        raise ConfigError(f"{name!r} is a plugin that comes with Jackfield: choose another name")
    if pattern is IDENTIFIER and (keyword.iskeyword(name) or name in sys.stdlib_module_names):
        raise ConfigError(f"{name!r} cannot be imported as a module of its own: Python has that word itself")


def _wanted(pattern: re.Pattern[str]) -> str:
    others = {IDENTIFIER: "'_'", DASHED: "'-'", EITHER: "'_' and '-'"}[pattern]
    return f"at most 64 lower-case letters, digits and {others}, a letter first"


def _hint(pattern: re.Pattern[str], name: str) -> str:
    joint = "_" if pattern is IDENTIFIER else "-"
    close = re.sub(r"[^a-z0-9]+", joint, name.lower()).strip(joint).lstrip("0123456789")[:64]
    return f"; {close!r} would do" if pattern.fullmatch(close) else ""


def builtin_ids() -> frozenset[str]:
    return frozenset(module.name for module in pkgutil.iter_modules(plugins.__path__))
