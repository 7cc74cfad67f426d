"""What decorators of the SDK leave on the methods of a class."""

from __future__ import annotations

from typing import Any


def marked_members(kind: type[Any], mark: str) -> list[tuple[str, Any]]:
    """The attributes of a class that have one called `mark`, inherited ones included, in the order of their names."""
    names = {name for base in kind.__mro__ if base is not object for name in vars(base)}
    found = ((name, getattr(kind, name, None)) for name in sorted(names))
    return [(name, member) for name, member in found if hasattr(member, mark)]
