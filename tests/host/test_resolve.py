"""The start order: valid, the same each time, or a refusal that names the culprit."""

from __future__ import annotations

import re
from collections.abc import Mapping
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from jackfield.host.resolve import Node, Resolved, resolve
from jackfield.sdk.manifest import Needs

NAMES = tuple("abcdefg")
SERVICES = ("mail", "words")

some_names = st.lists(st.sampled_from(NAMES), max_size=2, unique=True).map(tuple)
some_services = st.lists(st.sampled_from(SERVICES), max_size=1).map(tuple)
needs = st.builds(Needs, plugins=some_names, services=some_services)
node_lists = st.lists(
    st.builds(Node, st.sampled_from(NAMES), requires=needs, optional=needs, provides=some_services),
    unique_by=lambda node: node.id,
)


def needing(name: str, *wanted: str, **more: tuple[str, ...]) -> Node:
    return Node(name, requires=Needs(plugins=wanted, services=more.get("services", ())))


def met(node: Node, ran: Mapping[str, Node]) -> bool:
    """Whether all that the node requires has started."""
    offered = {service for other in ran.values() for service in other.provides}
    return set(node.requires.plugins) <= ran.keys() and set(node.requires.services) <= offered


@given(node_lists)
def test_each_starts_once_and_after_all_that_it_requires(nodes: list[Node]) -> None:
    resolved, by_id = resolve(nodes), {node.id: node for node in nodes}
    assert sorted((*resolved.order, *resolved.refused)) == sorted(by_id)
    ran: dict[str, Node] = {}
    for name in resolved.order:
        assert resolved.needs[name] <= ran.keys()
        assert met(by_id[name], ran)
        ran[name] = by_id[name]


@given(node_lists)
def test_the_same_nodes_give_the_same_order(nodes: list[Node]) -> None:
    assert resolve(nodes) == resolve(list(nodes))


@given(node_lists)
def test_none_is_refused_without_a_reason_that_holds(nodes: list[Node]) -> None:
    resolved, by_id = resolve(nodes), {node.id: node for node in nodes}
    for name, reason in resolved.refused.items():
        if reason.startswith("waits for itself: "):
            check_circle(name, reason, by_id)
        else:
            kind, wanted = re.findall(r"^requires the (plugin|service) '(\w+)', which does not run", reason)[0]
            assert wanted in (by_id[name].requires.plugins if kind == "plugin" else by_id[name].requires.services)
            assert not runs(kind, wanted, name, resolved, by_id)


def runs(kind: str, wanted: str, name: str, resolved: Resolved, by_id: Mapping[str, Node]) -> bool:
    others = [by_id[other] for other in resolved.order if other != name]
    return any(wanted == other.id if kind == "plugin" else wanted in other.provides for other in others)


def check_circle(name: str, reason: str, by_id: Mapping[str, Node]) -> None:
    path = reason.removeprefix("waits for itself: ").split(" needs ")
    assert path[0] == path[-1]
    assert name in path
    for one, other in pairwise(path):
        required = by_id[one].requires
        assert other in required.plugins or set(by_id[other].provides) & set(required.services)


@given(node_lists)
def test_what_is_optional_never_refuses(nodes: list[Node]) -> None:
    without = [Node(node.id, requires=node.requires, provides=node.provides) for node in nodes]
    assert resolve(nodes).refused == resolve(without).refused


@given(node_lists)
def test_where_nothing_is_needed_the_given_order_stays(nodes: list[Node]) -> None:
    names = [node.id for node in nodes]
    assert resolve(Node(name) for name in names).order == tuple(names)


def test_what_is_hoped_for_starts_first() -> None:
    nodes = [
        Node("a", optional=Needs(plugins=("b", "absent"), services=("mail",))),
        Node("b"),
        Node("c", provides=("mail",)),
    ]
    assert resolve(nodes).order == ("b", "c", "a")


def test_hopes_in_a_circle_start_all_the_same() -> None:
    nodes = [Node("a", optional=Needs(plugins=("b",))), Node("b", optional=Needs(plugins=("a",)))]
    assert resolve(nodes).order == ("a", "b")


def test_a_circle_is_told_with_its_path_and_harms_no_other() -> None:
    resolved = resolve([needing("a", "b"), needing("b", "c"), needing("c", "a"), needing("d", "a"), Node("e")])
    told = "waits for itself: a needs b needs c needs a"
    assert resolved.order == ("e",)
    assert resolved.refused == {
        "a": told, "b": told, "c": told, "d": f"requires the plugin 'a', which does not run: {told}",
    }  # fmt: skip


def test_all_that_is_missing_is_told() -> None:
    needs = Needs(plugins=("b", "c"), services=("mail",))
    resolved = resolve([Node("a", requires=needs), needing("d", "a")])
    lacks = "requires the plugin 'b', which does not run; requires the plugin 'c' too; requires the service 'mail' too"
    assert resolved.refused == {"a": lacks, "d": f"requires the plugin 'a', which does not run: {lacks}"}


def test_a_chain_longer_than_the_stack_is_no_trouble() -> None:
    nodes = [needing(f"p{number}", f"p{number + 1}") for number in range(1500)] + [Node("p1500")]
    assert resolve(nodes).order[0] == "p1500"
