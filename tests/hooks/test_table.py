"""The table holds, for each operation and point, the hooks in their final order."""

from __future__ import annotations

import pytest

from jackfield.errors import ManifestError
from jackfield.hooks.table import HookTable
from jackfield.sdk.hooks import POINTS, PointName
from jackfield.wire.base import OPERATIONS

from .scene import answer_with, make_hook

PASS = answer_with(None)
PRE = [name for name, point in POINTS.items() if not point.post]
POST = [name for name, point in POINTS.items() if point.post]


def plugins_at(table: HookTable, point: PointName) -> str:
    return "".join(hook.plugin for hook in table.row("chat").at(point))


@pytest.mark.parametrize("point", PRE)
def test_pre_points_run_in_order(point: PointName) -> None:
    table = HookTable(make_hook(PASS, point, plugin=plugin) for plugin in "cab")
    assert plugins_at(table, point) == "abc"


@pytest.mark.parametrize("point", POST)
def test_post_points_run_in_reverse(point: PointName) -> None:
    table = HookTable(make_hook(PASS, point, plugin=plugin) for plugin in "cab")
    assert plugins_at(table, point) == "cba"


def test_before_and_after_speak_of_the_way_in_and_are_reversed_on_the_way_out() -> None:
    table = HookTable(
        make_hook(PASS, point, plugin=plugin, after=after)
        for point in ("pre_flight", "response_body")
        for plugin, after in (("a", ("b",)), ("b", ()))
    )
    assert plugins_at(table, "pre_flight") == "ba"
    assert plugins_at(table, "response_body") == "ab"


def test_a_hook_is_only_in_the_rows_of_its_operations() -> None:
    table = HookTable([make_hook(PASS, plugin="all"), make_hook(PASS, plugin="some", operations=("embeddings",))])
    seen = {operation: [hook.plugin for hook in table.row(operation).pre_flight] for operation in OPERATIONS}
    assert seen == {"chat": ["all"], "embeddings": ["all", "some"], "count_tokens": ["all"]}


def test_streams_are_held_only_for_an_editing_hook_that_sees_the_operation() -> None:
    observing = make_hook(PASS, "response_body")
    editing = make_hook(PASS, "response_body", edits=True, operations=("embeddings",))
    table = HookTable([observing, editing])
    assert not table.row("chat").holds
    assert table.row("embeddings").holds


def test_a_cycle_at_any_point_is_refused() -> None:
    hooks = [
        make_hook(PASS, "background", plugin="a", after=("b",)),
        make_hook(PASS, "background", plugin="b", after=("a",)),
    ]
    with pytest.raises(ManifestError, match="a after b after a"):
        HookTable(hooks)


def test_there_is_a_row_for_every_operation_and_a_place_for_every_point() -> None:
    table = HookTable(())
    assert all(table.row(operation).at(point) == () for operation in OPERATIONS for point in POINTS)
