"""Manifests in YAML and JSON with the line of each key: safe, bounded, and without what they have no use for."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
import yaml

from jackfield.errors import ManifestError
from jackfield.sdk.manifest import read_bounded
from jackfield.testing.check.findings import Finding, finding
from jackfield.testing.check.refusals import Steps


class Document(msgspec.Struct, frozen=True):
    data: Any
    lines: dict[Steps, int]


def read_document(path: Path) -> Document | Finding:
    return _read_json(path) if path.suffix == ".json" else _read_yaml(path)


def _read_json(path: Path) -> Document | Finding:
    try:
        text = read_bounded(path)
        data = json.loads(text)
    except ManifestError as error:
        return finding(path, 1, "manifest", str(error).removeprefix(f"{path}: "))
    except json.JSONDecodeError as error:
        return finding(path, error.lineno, "syntax", f"is not JSON: {error.msg}")
    except RecursionError:
        return finding(path, 1, "syntax", "is nested too deeply")
    return Document(data, _json_lines(text))


def _json_lines(text: str) -> dict[Steps, int]:
    """JSON is YAML but for tabs between its words; where it is not, the lines are not known."""
    try:
        return _lines_of(yaml.compose(text.replace("\t", " "), Loader=yaml.SafeLoader), ())
    except (yaml.YAMLError, ValueError, RecursionError):
        return {}


def _read_yaml(path: Path) -> Document | Finding:
    """An alias is told of as wrong: what it stands for could be written a million times."""
    try:
        text = read_bounded(path)
        root = yaml.compose(text, Loader=yaml.SafeLoader)
        if aliased := _alias_line(text):
            return finding(path, aliased, "manifest", "has an alias (*): write the value out")
        return Document(yaml.safe_load(text), _lines_of(root, ()))
    except ManifestError as error:
        return finding(path, 1, "manifest", str(error).removeprefix(f"{path}: "))
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        return finding(path, line, "syntax", error.problem or "is not YAML")
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        return finding(path, 1, "syntax", str(error) or "is nested too deeply")


def _alias_line(text: str) -> int | None:
    tokens = yaml.scan(text, Loader=yaml.SafeLoader)
    return next((token.start_mark.line + 1 for token in tokens if isinstance(token, yaml.AliasToken)), None)


def _lines_of(node: yaml.Node | None, below: Steps) -> dict[Steps, int]:
    found: dict[Steps, int] = {}
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            steps = (*below, str(key.value))
            found[steps] = key.start_mark.line + 1
            found |= _lines_of(value, steps)
    elif isinstance(node, yaml.SequenceNode):
        for index, value in enumerate(node.value):
            found[*below, index] = value.start_mark.line + 1
            found |= _lines_of(value, (*below, index))
    return found
