"""Whether a plugin's source edits or blocks answers: streams are held for one that does."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from jackfield.dialects.rings.nodes import Nodes

_DECISIONS = frozenset({"block", "modify", "cache_hit"})
_PASSING = frozenset({"passthrough", "PASSTHROUGH"})
_CONTEXT = frozenset({"response", "body", "stop_chain"})
_ANSWER = frozenset({"choices", "message", "content"})
_RESULT, _ACTION = "PluginResponse", "PluginAction"
_IN_PLACE = frozenset({"append", "clear", "extend", "insert", "pop", "popitem", "remove", "setdefault", "update"})


def does_edit(nodes: Nodes) -> bool:
    """When in doubt it does: an answer that was not held can no longer be changed."""
    return (
        any(map(_decides, nodes.of(ast.Attribute)))
        or any(map(_stores, nodes.of(ast.Subscript)))
        or any(map(_acts, nodes.of(ast.Call)))
        or any(isinstance(node.value, str) and node.value in _DECISIONS for node in nodes.of(ast.Constant))
        or _makes_results(nodes)
    )


def _decides(node: ast.Attribute) -> bool:
    if isinstance(node.ctx, ast.Load):
        return node.attr in _DECISIONS or node.attr == "__setattr__"
    return node.attr == "action" or _is_of_context(node)


def _stores(node: ast.Subscript) -> bool:
    return not isinstance(node.ctx, ast.Load) and (_is_of_context(node.value) or _is_of_answer(node))


def _acts(call: ast.Call) -> bool:
    """`setattr(…)`, `ctx.body["choices"].clear()`, `choice["message"].update(…)`."""
    called = call.func
    if isinstance(called, ast.Name):
        return called.id == "setattr"
    if not isinstance(called, ast.Attribute) or called.attr not in _IN_PLACE:
        return False
    changed = called.value
    return _is_of_context(changed) or (isinstance(changed, ast.Subscript) and _is_of_answer(changed))


def _makes_results(nodes: Nodes) -> bool:
    """Whether results are made in any way but those that let the answer pass, or might be: the names of what makes them
    stand in another place."""
    results, actions = ({wanted, *_aliases(nodes, wanted)} for wanted in (_RESULT, _ACTION))
    plain = set(_annotations(nodes))
    for call in nodes.of(ast.Call):
        if _name_of(call.func) in results and _lets_pass(call, actions):
            plain.add(id(call.func))
    for attribute in nodes.of(ast.Attribute):
        if attribute.attr in _PASSING and _name_of(attribute.value) in results | actions:
            plain.add(id(attribute.value))
    named = (*nodes.of(ast.Name), *nodes.of(ast.Attribute))
    return any(_name_of(node) in results | actions and id(node) not in plain for node in named)


def _aliases(nodes: Nodes, wanted: str) -> Iterator[str]:
    for statement in nodes.of(ast.ImportFrom):
        yield from (alias.asname for alias in statement.names if alias.name == wanted and alias.asname)


def _annotations(nodes: Nodes) -> Iterator[int]:
    """All that stands in an annotation: it makes nothing."""
    stated = [
        *(function.returns for function in nodes.of(ast.FunctionDef)),
        *(function.returns for function in nodes.of(ast.AsyncFunctionDef)),
        *(argument.annotation for argument in nodes.of(ast.arg)),
        *(statement.annotation for statement in nodes.of(ast.AnnAssign)),
    ]
    for annotation in stated:
        if annotation is not None:
            yield from map(id, ast.walk(annotation))


def _lets_pass(call: ast.Call, actions: set[str]) -> bool:
    """`PluginResponse()`, or with nothing but the action of passing."""
    given = [*call.args, *(keyword.value for keyword in call.keywords)]
    if any(keyword.arg != "action" for keyword in call.keywords) or len(given) > 1:
        return False
    return all(_is_passing(value, actions) for value in given)


def _is_passing(value: ast.expr, actions: set[str]) -> bool:
    if isinstance(value, ast.Constant):
        return value.value in _PASSING
    return isinstance(value, ast.Attribute) and value.attr in _PASSING and _name_of(value.value) in actions


def _name_of(node: ast.AST) -> str | None:
    if isinstance(node, ast.Name):
        return node.id
    return node.attr if isinstance(node, ast.Attribute) else None


def _is_of_context(node: ast.AST) -> bool:
    """`ctx.response`, `ctx.response.body`, `ctx.body["choices"]` and what lies below them."""
    while isinstance(node, ast.Attribute | ast.Subscript):
        if isinstance(node, ast.Attribute) and node.attr in _CONTEXT:
            return True
        node = node.value
    return False


def _is_of_answer(node: ast.Subscript) -> bool:
    return isinstance(node.slice, ast.Constant) and node.slice.value in _ANSWER
