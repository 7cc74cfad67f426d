"""Whether a plugin's source edits or blocks answers: streams are held for one that does."""

from __future__ import annotations

import ast

_DECISIONS = frozenset({"block", "modify", "cache_hit"})
_CONTEXT = frozenset({"response", "body", "stop_chain"})
_ANSWER = frozenset({"choices", "message", "content"})


def does_edit(tree: ast.Module) -> bool:
    """When in doubt it does: an answer that was not held can no longer be changed."""
    return any(_edits(node) for node in ast.walk(tree))


def _edits(node: ast.AST) -> bool:
    if isinstance(node, ast.Attribute):
        return node.attr in _DECISIONS if isinstance(node.ctx, ast.Load) else _is_of_context(node)
    if isinstance(node, ast.Subscript):
        return not isinstance(node.ctx, ast.Load) and (_is_of_context(node.value) or _is_of_answer(node))
    if isinstance(node, ast.Call):
        return _sets_by_name(node) or any(keyword.arg == "action" for keyword in node.keywords)
    return False


def _is_of_context(node: ast.AST) -> bool:
    """`ctx.response`, `ctx.response.body`, `ctx.body["choices"]` and what lies below them."""
    while isinstance(node, ast.Attribute | ast.Subscript):
        if isinstance(node, ast.Attribute) and node.attr in _CONTEXT:
            return True
        node = node.value
    return False


def _is_of_answer(node: ast.Subscript) -> bool:
    return isinstance(node.slice, ast.Constant) and node.slice.value in _ANSWER


def _sets_by_name(call: ast.Call) -> bool:
    return isinstance(call.func, ast.Name) and call.func.id == "setattr"
