"""Whether a plugin's source edits or blocks answers: streams are held for one that does."""

from __future__ import annotations

import ast

from jackfield.dialects.rings.nodes import Nodes

_DECISIONS = frozenset({"block", "modify", "cache_hit"})
_CONTEXT = frozenset({"response", "body", "stop_chain"})
_ANSWER = frozenset({"choices", "message", "content"})


def does_edit(nodes: Nodes) -> bool:
    """When in doubt it does: an answer that was not held can no longer be changed."""
    return (
        any(map(_decides, nodes.of(ast.Attribute)))
        or any(map(_stores, nodes.of(ast.Subscript)))
        or any(map(_acts, nodes.of(ast.Call)))
    )


def _decides(node: ast.Attribute) -> bool:
    return node.attr in _DECISIONS if isinstance(node.ctx, ast.Load) else _is_of_context(node)


def _stores(node: ast.Subscript) -> bool:
    return not isinstance(node.ctx, ast.Load) and (_is_of_context(node.value) or _is_of_answer(node))


def _acts(call: ast.Call) -> bool:
    """`setattr(…)`, `PluginResponse(action=…)`."""
    by_name = isinstance(call.func, ast.Name) and call.func.id == "setattr"
    return by_name or any(keyword.arg == "action" for keyword in call.keywords)


def _is_of_context(node: ast.AST) -> bool:
    """`ctx.response`, `ctx.response.body`, `ctx.body["choices"]` and what lies below them."""
    while isinstance(node, ast.Attribute | ast.Subscript):
        if isinstance(node, ast.Attribute) and node.attr in _CONTEXT:
            return True
        node = node.value
    return False


def _is_of_answer(node: ast.Subscript) -> bool:
    return isinstance(node.slice, ast.Constant) and node.slice.value in _ANSWER
