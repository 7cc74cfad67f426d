"""The YAML of a ring manifest: its entries one by one, so that what is wrong with one harms no other."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from jackfield.dialects.rings.problems import EntryProblem
from jackfield.errors import ManifestError
from jackfield.sdk.manifest import read_bounded

# Composing recurses in C, without a bound of its own.
DEEPEST = 64
# Aliases stand for whole trees, and aliases of aliases multiply.
MOST_NODES = 50_000

_OPENING = (yaml.MappingStartEvent, yaml.SequenceStartEvent)
_CLOSING = (yaml.MappingEndEvent, yaml.SequenceEndEvent)


class RawEntry:
    """One item of `plugins:`, not yet looked into."""

    def __init__(self, index: int, node: yaml.Node) -> None:
        self.index, self._node = index, node

    @property
    def line(self) -> int:
        return int(self._node.start_mark.line) + 1

    @property
    def name(self) -> str | None:
        """Its display name, as far as it has one."""
        for key, value in _pairs(self._node):
            if key == "name" and isinstance(value, yaml.ScalarNode):
                return str(value.value).strip() or None
        return None

    def value(self) -> Any:
        """Raises `EntryProblem`: for tags that are not plain data, double keys, values that are none."""
        _refuse_double_keys(self._node)
        loader = _loader("")
        try:
            return loader.construct_document(self._node)
        except yaml.MarkedYAMLError as error:
            raise EntryProblem(_told(error)) from error
        except (ValueError, TypeError, OverflowError, RecursionError) as error:
            raise EntryProblem(f"holds a value that cannot be read: {error}") from error
        finally:
            loader.dispose()

    def line_of(self, path: tuple[str | int, ...]) -> int:
        """Of the deepest part of `path` that is there."""
        node, line = self._node, self.line
        for step in path:
            below = _below(node, step)
            if below is None:
                break
            node, line = below
        return line


def read_entries(file: Path, shown: Path) -> list[RawEntry] | None:
    """`None` where it is YAML but no ring manifest. Raises `ManifestError`, with the line of a syntax error."""
    text = read_bounded(file, shown)
    try:
        _refuse_deep(text)
        root = _compose(text)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = mark.line + 1 if mark is not None else None
        raise ManifestError(f"is not YAML: {_told(error)}", file=str(shown), line=line) from error
    except yaml.YAMLError as error:
        raise ManifestError(f"is not YAML: {error}", file=str(shown)) from error
    except EntryProblem as problem:
        raise ManifestError(problem.message, file=str(shown)) from problem
    plugins = _plugins_in(root)
    if plugins is None:
        _refuse_attempt(root, shown)
        return None
    if isinstance(plugins, yaml.ScalarNode) and plugins.value in ("", "~", "null"):
        return []
    if not isinstance(plugins, yaml.SequenceNode):
        line = plugins.start_mark.line + 1
        raise ManifestError("is a list of plugins", file=str(shown), line=line, field="plugins")
    return [RawEntry(index, node) for index, node in enumerate(plugins.value)]


def _plugins_in(root: yaml.Node | None) -> yaml.Node | None:
    """What is below `plugins:`, or a list of entries without that."""
    if isinstance(root, yaml.SequenceNode) and any(map(_is_entry, root.value)):
        return root
    return next((value for key, value in _pairs(root) if key == "plugins"), None)


def _is_entry(node: yaml.Node | None) -> bool:
    return {"name", "entrypoint"} <= {key for key, _ in _pairs(node)}


def _refuse_attempt(root: yaml.Node | None, shown: Path) -> None:
    """One entry by itself, or entries by name: what is meant would be left out without a word."""
    for node in (root, *(value for _, value in _pairs(root))):
        if _is_entry(node) or (isinstance(node, yaml.SequenceNode) and any(map(_is_entry, node.value))):
            line = node.start_mark.line + 1 if node is not None else None
            raise ManifestError("is an entry of a ring manifest: put it under `plugins:`", file=str(shown), line=line)


def write_entry(value: Any) -> bytes:
    """A manifest of one entry."""
    dumper = getattr(yaml, "CSafeDumper", yaml.SafeDumper)
    text = yaml.dump({"plugins": [value]}, Dumper=dumper, allow_unicode=True, sort_keys=False, width=1000)
    return str(text).encode()


def _loader(text: str) -> Any:
    return getattr(yaml, "CSafeLoader", yaml.SafeLoader)(text)


def _refuse_deep(text: str) -> None:
    loader, depth = _loader(text), 0
    try:
        while loader.check_event():
            event = loader.get_event()
            depth += isinstance(event, _OPENING) - isinstance(event, _CLOSING)
            if depth > DEEPEST:
                raise EntryProblem(f"is nested more than {DEEPEST} deep")
    finally:
        loader.dispose()


def _compose(text: str) -> Any:
    loader = _loader(text)
    try:
        root = loader.get_single_node()
    finally:
        loader.dispose()
    if root is not None and _size_of(root, {}, set()) > MOST_NODES:
        raise EntryProblem(f"stands for more than {MOST_NODES} values with its aliases written out")
    return root


def _size_of(node: yaml.Node, known: dict[int, int], within: set[int]) -> int:
    """How many values a node stands for with its aliases written out."""
    if id(node) in within:
        raise EntryProblem("has an alias inside of what it stands for")
    if id(node) not in known:
        within.add(id(node))
        known[id(node)] = 1 + sum(_size_of(child, known, within) for child in _children(node))
        within.discard(id(node))
    return known[id(node)]


def _children(node: yaml.Node) -> Iterator[yaml.Node]:
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            yield key
            yield value
    elif isinstance(node, yaml.SequenceNode):
        yield from node.value


def _pairs(node: yaml.Node | None) -> Iterator[tuple[str, yaml.Node]]:
    if isinstance(node, yaml.MappingNode):
        yield from ((key.value, value) for key, value in node.value if isinstance(key, yaml.ScalarNode))


def _refuse_double_keys(node: yaml.Node) -> None:
    seen: set[str] = set()
    for key, _ in _pairs(node):
        if key in seen and key != "<<":
            raise EntryProblem("is there twice", (key,))
        seen.add(key)


def _below(node: yaml.Node, step: str | int) -> tuple[yaml.Node, int] | None:
    """What is at `step`, and the line where that is said."""
    if isinstance(node, yaml.SequenceNode) and isinstance(step, int) and step < len(node.value):
        return node.value[step], node.value[step].start_mark.line + 1
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            if isinstance(key, yaml.ScalarNode) and key.value == step:
                return value, key.start_mark.line + 1
    return None


def _told(error: yaml.MarkedYAMLError) -> str:
    return ", ".join(str(part) for part in (error.context, error.problem) if part)
