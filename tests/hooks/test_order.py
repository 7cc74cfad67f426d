"""The order of hooks is a pure function of what they declare."""

from __future__ import annotations

import random
from dataclasses import dataclass

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jackfield.errors import ManifestError
from jackfield.hooks.order import in_order


@dataclass(frozen=True)
class Declared:
    plugin: str
    name: str = "check"
    priority: int = 100
    before: tuple[str, ...] = ()
    after: tuple[str, ...] = ()


PLUGINS = "abcdef"


@st.composite
def acyclic(draw: st.DrawFn) -> list[Declared]:
    """Hooks whose `before` and `after` agree with one hidden order of their plugins."""
    hidden = draw(st.permutations(PLUGINS))
    hooks = []
    for place, plugin in enumerate(hidden):
        earlier, later = hidden[:place], hidden[place + 1 :]
        for name in draw(st.lists(st.sampled_from(("x", "y", "z")), unique=True, max_size=2)):
            before = tuple(draw(st.sets(st.sampled_from(later)))) if later else ()
            after = tuple(draw(st.sets(st.sampled_from(earlier)))) if earlier else ()
            hooks.append(Declared(plugin, name, draw(st.integers(0, 3)), before, after))
    return hooks


@settings(max_examples=40)
@given(acyclic(), st.randoms(use_true_random=False))
def test_the_order_does_not_depend_on_the_order_of_discovery(hooks: list[Declared], chance: random.Random) -> None:
    shuffled = list(hooks)
    chance.shuffle(shuffled)
    assert in_order(shuffled) == in_order(hooks)


@settings(max_examples=40)
@given(acyclic())
def test_every_hook_is_there_once_and_before_and_after_hold(hooks: list[Declared]) -> None:
    ordered = in_order(hooks)
    assert sorted(map(repr, ordered)) == sorted(map(repr, hooks))
    places = {hook: place for place, hook in enumerate(ordered)}
    for hook in hooks:
        for other in hooks:
            if other.plugin in hook.before:
                assert places[hook] < places[other]
            if other.plugin in hook.after:
                assert places[hook] > places[other]


@settings(max_examples=40)
@given(acyclic())
def test_ordering_what_is_in_order_changes_nothing(hooks: list[Declared]) -> None:
    once = in_order(hooks)
    assert in_order(once) == once


@settings(max_examples=40)
@given(st.lists(st.builds(Declared, st.sampled_from(PLUGINS), st.text(max_size=2), st.integers()), unique=True))
def test_without_constraints_it_is_priority_then_plugin_then_name(hooks: list[Declared]) -> None:
    expected = sorted(hooks, key=lambda hook: (hook.priority, hook.plugin, hook.name))
    assert list(in_order(hooks)) == expected


def plugins_of(*hooks: Declared) -> str:
    return "".join(hook.plugin for hook in in_order(hooks))


def test_a_lower_priority_number_runs_first() -> None:
    assert plugins_of(Declared("a", priority=200), Declared("b", priority=-5), Declared("c")) == "bca"


def test_before_and_after_win_over_priority() -> None:
    assert plugins_of(Declared("a", priority=1, after=("c",)), Declared("b"), Declared("c", priority=999)) == "bca"
    assert plugins_of(Declared("a", priority=1), Declared("z", priority=999, before=("a",))) == "za"


def test_a_plugin_that_is_not_here_is_no_constraint() -> None:
    assert plugins_of(Declared("b", after=("absent",)), Declared("a", before=("absent",))) == "ab"


def test_naming_oneself_is_no_constraint() -> None:
    assert plugins_of(Declared("a", before=("a",), after=("a",))) == "a"


def test_a_constraint_moves_only_what_it_must() -> None:
    hooks = (Declared("a"), Declared("b", after=("d",)), Declared("c"), Declared("d"), Declared("e"))
    assert plugins_of(*hooks) == "acdbe"


@pytest.mark.parametrize(
    ("hooks", "path"),
    [
        ((Declared("a", after=("b",)), Declared("b", after=("a",))), "a after b after a"),
        ((Declared("a", before=("b",)), Declared("b", before=("a",))), "a after b after a"),
        (
            (
                Declared("x", after=("c",)),
                Declared("a", after=("b",)),
                Declared("b", after=("c",)),
                Declared("c", after=("a",)),
                Declared("free"),
            ),
            "a after b after c after a",
        ),
    ],
)
def test_a_cycle_is_refused_with_its_path(hooks: tuple[Declared, ...], path: str) -> None:
    with pytest.raises(ManifestError) as refusal:
        in_order(hooks)
    assert str(refusal.value) == f"hooks wait for each other: {path}"
