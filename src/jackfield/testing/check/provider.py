"""The checks of a provider plugin over HTTP: its manifest. Its code runs elsewhere, and may wait as it likes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from jackfield.testing.check.checked import Checked, Stated
from jackfield.testing.check.documents import Document, read_document
from jackfield.testing.check.findings import Finding, finding
from jackfield.testing.check.refusals import Lines, validate
from jackfield.testing.check.source import Source
from jackfield.testing.check.subjects import Subject

_INTERPRETERS = ("python", "node", "bun", "deno")
Scalar = str | int | float | bool


def _check_type(kind: object) -> object:
    if kind == "builtin":
        raise ValueError("'builtin' plugins are compiled into another host; write a native plugin")
    return kind


def _check_endpoint(text: str) -> str:
    parts = urlsplit(text if "://" in text else f"grpc://{text}")
    if not parts.hostname or parts.scheme not in ("http", "https", "grpc"):
        raise ValueError("is not an address such as http://127.0.0.1:9300")
    return text


class Capabilities(BaseModel):
    """Others may be named: they are passed on."""

    model_config = ConfigDict(extra="allow")

    streaming: bool = False
    function_calling: bool = False
    vision: bool = False
    embeddings: bool = False
    fine_tuning: bool = False


class Setting(BaseModel):
    model_config = ConfigDict(extra="forbid")

    name: Annotated[str, Field(min_length=1)]
    type: Literal["string", "int", "integer", "float", "number", "bool", "boolean", "array", "object"]
    required: bool = False
    description: str = ""
    sensitive: bool = False
    default: Any = None
    validation: dict[str, Any] = {}


def _number_to_text(value: object) -> object:
    """`version: 1.0` is a number in YAML."""
    return str(value) if isinstance(value, int | float) and not isinstance(value, bool) else value


class Metadata(BaseModel):
    model_config = ConfigDict(extra="forbid")

    name: Annotated[str, Field(min_length=1)]
    version: Annotated[str, BeforeValidator(_number_to_text)]
    provider_type: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")]
    plugin_api_version: Annotated[str, BeforeValidator(_number_to_text)] = "1.0.0"
    description: str = ""
    author: str = ""
    homepage: str = ""
    license: str = ""
    capabilities: Capabilities = Capabilities()
    config_schema: list[Setting] = []


class ProviderManifest(BaseModel):
    model_config = ConfigDict(extra="forbid")

    type: Annotated[Literal["http", "grpc"], BeforeValidator(_check_type)]
    endpoint: Annotated[str, AfterValidator(_check_endpoint)]
    metadata: Metadata
    auto_start: bool = False
    health_check_interval: Annotated[int, Field(ge=1)] = 60
    command: str = ""
    args: list[Scalar] = []
    env: dict[str, Scalar] = {}


def check_provider(subject: Subject) -> Checked:
    checked = Checked()
    read = read_document(subject.told)
    if not isinstance(read, Document):
        checked.add([read])
        return checked
    manifest = validate(ProviderManifest, read.data, subject.told, read.lines)
    if not isinstance(manifest, ProviderManifest):
        checked.add(manifest)
        return checked
    line = read.lines.get(("metadata", "provider_type"), 1)
    checked.ids.append(Stated(manifest.metadata.provider_type, subject.told, line))
    checked.add(_check_words(manifest, subject, read.lines))
    checked.add(_check_command(manifest, subject, read.lines))
    for path in subject.sources():
        source = Source.read(path)
        if not isinstance(source, Source):
            checked.add([source])
    return checked


def _check_words(manifest: ProviderManifest, subject: Subject, lines: Lines) -> Iterator[Finding]:
    if not manifest.metadata.description.strip():
        line = lines.get(("metadata",), 1)
        yield finding(subject.told, line, "description", "there is no metadata.description: operators choose by it")
    for index, setting in enumerate(manifest.metadata.config_schema):
        if not setting.description.strip():
            line = lines.get(("metadata", "config_schema", index), 1)
            yield finding(subject.told, line, "field-description", f"{setting.name} has no description")
    if not manifest.auto_start:
        line = lines.get(("auto_start",), 1)
        yield finding(subject.told, line, "not-started", "auto_start is not true: it waits until somebody starts it")


def _check_command(manifest: ProviderManifest, subject: Subject, lines: Lines) -> Iterator[Finding]:
    """The script that the command starts is in the folder."""
    if not manifest.command.rpartition("/")[2].startswith(_INTERPRETERS) or not manifest.args:
        return
    script = str(manifest.args[0])
    if not script.startswith("-") and not (subject.told.parent / script).is_file():
        yield finding(subject.told, lines.get(("args",), 1), "plugin-class", f"there is no {script} in the folder")
