"""The source lint of ring plugins.

It finds what blocks the event loop and what a plugin has no business with, before the file runs. It is a lint, not a
sandbox: whoever wants around it gets around it, and in-process code can do what the gateway can do.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from jackfield.dialects.rings.nodes import Nodes

_FORBIDDEN = """
    os subprocess shutil socket ctypes multiprocessing signal sys builtins __builtins__ importlib requests urllib
    sqlite3
"""
# Of the standard library: what does no input or output, beside what the guide names.
_STANDARD = """
    __future__ abc array ast asyncio base64 binascii bisect calendar cmath codecs collections colorsys contextlib
    contextvars copy csv dataclasses datetime decimal difflib enum fnmatch fractions functools graphlib hashlib heapq
    hmac html inspect ipaddress itertools json keyword logging math numbers operator pprint queue random re reprlib
    secrets shlex statistics string struct textwrap threading time traceback types typing unicodedata uuid warnings
    weakref zlib zoneinfo
"""
_PACKAGES = """
    aiohttp annotated_types anthropic anyio cachetools dateutil fastapi httpx huggingface_hub jinja2 jsonschema
    langdetect msgspec numpy onnxruntime openai opentelemetry orjson pandas presidio_analyzer presidio_anonymizer
    prometheus_client pydantic regex scipy sentence_transformers sklearn spacy starlette structlog tiktoken tokenizers
    torch transformers typing_extensions yaml
"""
FORBIDDEN = frozenset(_FORBIDDEN.split())
_FIRST_PARTY = ("core", "plugins")
_ALLOWED = frozenset([*_STANDARD.split(), *_PACKAGES.split(), *_FIRST_PARTY])
_OUR_DOOR = "jackfield.sdk"

_CALLS = frozenset({"exec", "eval", "__import__", "compile"})
_METHODS = frozenset({"system", "popen"})
# `model.eval()` puts a model into evaluation mode; with something to evaluate it is another matter.
_METHODS_WITH_CODE = frozenset({"exec", "eval"})
_SLEEP = "Blocking call 'time.sleep()' — use 'await asyncio.sleep()' instead"
MOST_NAMED = 5


class PluginSecurityError(Exception):
    """A ring plugin's file does what such a file must not do, or is not the one that was pinned."""


class Finding(NamedTuple):
    line: int
    message: str


def ast_scan(source: str | bytes, name: str = "") -> None:
    """Raises `PluginSecurityError` with what was found; `name` is the file, for people."""
    tree = parse(source)
    refuse(find_faults(tree) if isinstance(tree, ast.Module) else [tree], name)


def refuse(found: Sequence[Finding], name: str) -> None:
    """Raises `PluginSecurityError` where anything was found."""
    if found:
        told = "; ".join(f"{message} (line {line})" for line, message in found[:MOST_NAMED])
        raise PluginSecurityError(f"{name}: {told}" if name else told)


def parse(source: str | bytes) -> ast.Module | Finding:
    """A finding where it is not Python."""
    try:
        return ast.parse(source)
    except SyntaxError as error:
        return Finding(error.lineno or 1, f"Syntax error: {error.msg}")
    except (ValueError, RecursionError, MemoryError) as error:
        return Finding(1, f"Syntax error: {error or type(error).__name__}")


def find_faults(tree: ast.Module) -> list[Finding]:
    """In the order of lines."""
    return judge(Nodes(tree))


def judge(nodes: Nodes) -> list[Finding]:
    return sorted((*_bad_imports(nodes), *_bad_calls(nodes), *_bad_names(nodes)))


def _bad_imports(nodes: Nodes) -> Iterator[Finding]:
    for node in nodes.of(ast.Import):
        for alias in node.names:
            if message := _judge_module(alias.name, "Forbidden import"):
                yield Finding(node.lineno, message)
    for statement in nodes.of(ast.ImportFrom):
        if message := _judge_import_from(statement):
            yield Finding(statement.lineno, message)


def _bad_calls(nodes: Nodes) -> Iterator[Finding]:
    clocks = _names_of_time(nodes)
    for node in nodes.of(ast.Call):
        if message := _judge_call(node, clocks):
            yield Finding(node.lineno, message)


def _bad_names(nodes: Nodes) -> Iterator[Finding]:
    for node in nodes.of(ast.Name):
        if node.id == "__builtins__":
            yield Finding(node.lineno, "Forbidden name '__builtins__'")


def _names_of_time(nodes: Nodes) -> frozenset[str]:
    aliases = (alias for node in nodes.of(ast.Import) for alias in node.names)
    return frozenset({"time", *(alias.asname for alias in aliases if alias.name == "time" and alias.asname)})


def _judge_module(module: str, forbidden: str) -> str | None:
    root = module.partition(".")[0]
    if root in FORBIDDEN:
        return f"{forbidden} '{module}'"
    if root in _ALLOWED or module == _OUR_DOOR or module.startswith(f"{_OUR_DOOR}."):
        return None
    return f"Import '{module}' is not in allowed list"


def _judge_import_from(node: ast.ImportFrom) -> str | None:
    if node.level or node.module is None:
        return None
    names = [alias.name for alias in node.names]
    if node.module == "jackfield" and names == ["sdk"]:
        return None
    if node.module == "time" and not {"sleep", "*"}.isdisjoint(names):
        return _SLEEP
    return _judge_module(node.module, "Forbidden import from")


def _judge_call(node: ast.Call, clocks: frozenset[str]) -> str | None:
    called = node.func
    if isinstance(called, ast.Name):
        return f"Forbidden call to '{called.id}()'" if called.id in _CALLS else None
    if not isinstance(called, ast.Attribute):
        return None
    if called.attr == "sleep" and isinstance(called.value, ast.Name) and called.value.id in clocks:
        return _SLEEP
    given = bool(node.args or node.keywords)
    if called.attr in _METHODS or (called.attr in _METHODS_WITH_CODE and given):
        return f"Forbidden method call '.{called.attr}()'"
    return None
