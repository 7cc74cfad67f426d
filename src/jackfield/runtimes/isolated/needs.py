"""What Jackfield's own code in a plugin's process needs of its packages.

A plugin's packages come before the library's in its process, and may be other versions: not of these, which the code
there that is ours was not made for.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib.metadata import PackageNotFoundError, requires

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import Version

from jackfield.runtimes.isolated.locks import Lock

# Of what Jackfield needs, what its code in a plugin's process imports.
ROOTS = frozenset(
    {"brotli", "httptools", "msgspec", "packaging", "pydantic", "rich", "structlog", "uvloop", "zstandard"}
)
_LIBRARY = "jackfield"


def check_needs(lock: Lock) -> None:
    """Raises `ConfigError` for a pin that our own code could not run with."""
    pins = {pin.name: pin for pin in lock.pins}
    for name, who, allowed in _needs(frozenset(pins)):
        pin = pins.get(name)
        if pin is not None and not allowed.contains(Version(pin.version), prereleases=True):
            raise lock.refuse(pin, f"{name} {pin.version} is pinned here, and {who} needs {name} {allowed}")


def _needs(pinned: frozenset[str]) -> Iterator[tuple[str, str, SpecifierSet]]:
    """Who needs what. What a pinned package needs is told by its own wheel, not by the version that is installed."""
    waiting, seen = [_LIBRARY], {_LIBRARY}
    while waiting:
        who = waiting.pop()
        for name, allowed in _requirements_of(who).items():
            if who == _LIBRARY and name not in ROOTS:
                continue
            yield name, who, allowed
            if name not in seen and name not in pinned:
                seen.add(name)
                waiting.append(name)


def _requirements_of(name: str) -> Mapping[str, SpecifierSet]:
    try:
        texts = requires(name) or ()
    except PackageNotFoundError:
        return {}
    found: dict[str, SpecifierSet] = {}
    for requirement in map(Requirement, texts):
        if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
            found[canonicalize_name(requirement.name)] = requirement.specifier
    return found
