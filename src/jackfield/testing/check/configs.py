"""Settings that say nothing of themselves: what operators see is a form without words."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from jackfield.testing.check.findings import Finding, finding
from jackfield.testing.check.plugin_class import PluginFile
from jackfield.testing.check.source import Source, text_of

_FIELD = ("pydantic.Field", "pydantic.fields.Field")
_ANNOTATED = ("typing.Annotated", "typing_extensions.Annotated")
_CLASSVAR = ("typing.ClassVar", "typing_extensions.ClassVar")
# Reserved: the host's words, not the plugin's.
_RESERVED = frozenset({"enabled", "model_config"})


def check_config(file: PluginFile) -> Iterator[Finding]:
    for plugin in file.plugins:
        model = _model(plugin)
        if model is not None and model.id in file.source.classes:
            yield from check_model(file.source, model.id)


def foreign_models(file: PluginFile) -> list[str]:
    """Config models that are in another file, or made by a call."""
    models = [model for plugin in file.plugins if (model := _model(plugin)) is not None]
    return [
        f"the config model {model.id} is not in this file" for model in models if model.id not in file.source.classes
    ]


def check_model(source: Source, name: str) -> Iterator[Finding]:
    """Its own fields, and those of its parents in this file."""
    node = source.classes[name]
    for base in node.bases:
        if isinstance(base, ast.Name) and base.id in source.classes and base.id != name:
            yield from check_model(source, base.id)
    if _has_docstrings(node):
        return
    for statement in node.body:
        if isinstance(statement, ast.AnnAssign) and (field := _undescribed(source, statement)):
            yield finding(
                source.path,
                statement.lineno,
                "field-description",
                f"{name}.{field} has no description: give it Field(description=…)",
            )


def _model(plugin: ast.ClassDef) -> ast.Name | None:
    """The argument of `Plugin[…]`."""
    subscripts = [base for base in plugin.bases if isinstance(base, ast.Subscript)]
    return next((base.slice for base in subscripts if isinstance(base.slice, ast.Name)), None)


def _undescribed(source: Source, node: ast.AnnAssign) -> str | None:
    name = node.target.id if isinstance(node.target, ast.Name) else "_"
    annotation = node.annotation
    outer = annotation.value if isinstance(annotation, ast.Subscript) else annotation
    origin = source.origin(outer)
    if name.startswith("_") or name in _RESERVED or origin in _CLASSVAR:
        return None
    said = [node.value] if node.value is not None else []
    if origin in _ANNOTATED and isinstance(annotation, ast.Subscript) and isinstance(annotation.slice, ast.Tuple):
        said += annotation.slice.elts[1:]
    return None if any(_describes(source, each) for each in said) else name


def _describes(source: Source, node: ast.expr) -> bool:
    """What is not a literal may describe the field as well."""
    if not isinstance(node, ast.Call) or source.origin(node.func) not in _FIELD:
        return False
    stated = next((one.value for one in node.keywords if one.arg == "description"), None)
    spread = any(one.arg is None for one in node.keywords)
    return spread or (stated is not None and text_of(stated) != "")


def _has_docstrings(node: ast.ClassDef) -> bool:
    """`use_attribute_docstrings` makes the texts below the fields their descriptions."""
    return any("use_attribute_docstrings=True" in ast.unparse(statement) for statement in node.body)
