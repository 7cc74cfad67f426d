"""Members of a class that a decorator has marked."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from jackfield.sdk.marks import marked_members


def marked(function: Callable[..., Any]) -> Callable[..., Any]:
    function.mark = True  # type: ignore[attr-defined]
    return function


class Parent:
    @marked
    def second(self) -> str:
        return "of the parent"

    @marked
    def replaced(self) -> str:
        return "of the parent"


class Child(Parent):
    @marked
    def first(self) -> str:
        return "of the child"

    def replaced(self) -> str:
        return "not marked any more"

    @staticmethod
    @marked
    def still() -> str:
        return "static"

    @property
    def other(self) -> str:
        return "no method"


def test_inherited_ones_are_found_in_the_order_of_their_names() -> None:
    assert [name for name, _ in marked_members(Child, "mark")] == ["first", "second", "still"]


def test_what_a_class_replaces_counts_no_more() -> None:
    assert "replaced" in dict(marked_members(Parent, "mark"))
    assert "replaced" not in dict(marked_members(Child, "mark"))
