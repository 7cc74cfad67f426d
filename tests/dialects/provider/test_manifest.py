"""The manifest of a provider: what is taken, what is refused, and in which words."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from jackfield.dialects.provider.manifest import (
    example_manifest,
    load_manifest,
    manifest_file,
    read_manifest,
    write_manifest,
)
from jackfield.errors import ManifestError

from .manifests import COMPLETE, manifest, write_plugin


def refusal(content: Any, folder: Path, name: str = "plugin.yaml") -> str:
    with pytest.raises(ManifestError) as caught:
        load_manifest(write_plugin(folder, content, name))
    return str(caught.value)


def warnings(content: Any, folder: Path) -> list[str]:
    return [str(one) for one in load_manifest(write_plugin(folder, content))[1]]


def test_the_guides_complete_manifest_is_read_with_every_field(tmp_path: Path) -> None:
    found, problems = load_manifest(write_plugin(tmp_path, COMPLETE))
    metadata = found.metadata
    assert problems == []
    assert (found.type, found.endpoint, found.auto_start) == ("http", "http://localhost:8090", True)
    assert (found.health_check_interval, found.command) == (60, "python3")
    assert found.args == ("plugin.py", "--port", "8090")
    assert found.env == {"LOG_LEVEL": "info", "PORT": "8090"}
    assert (metadata.name, metadata.version) == ("My AI Provider Plugin", "1.2.0")
    assert (metadata.plugin_api_version, metadata.provider_type) == ("1.0.0", "my-ai-provider")
    assert metadata.description == "Integration with My AI Provider's API"
    assert (metadata.author, metadata.license) == ("Your Name <you@example.com>", "MIT")
    assert metadata.homepage == "https://github.com/you/my-plugin"
    can = metadata.capabilities
    assert (can.streaming, can.function_calling, can.vision, can.embeddings, can.fine_tuning) == (True, *[False] * 4)
    key, endpoint, timeout = metadata.config_schema
    assert (key.name, key.type, key.required, key.sensitive) == ("api_key", "string", True, True)
    assert (endpoint.default, endpoint.required) == ("https://api.example.com", False)
    assert (timeout.type, timeout.default, timeout.rule.min, timeout.rule.max) == ("int", 30, 1, 300)


def test_json_and_yaml_are_read_alike(tmp_path: Path) -> None:
    content = manifest(command="server", args=["a", 2], env={"KEY": "val"}, health_check_interval=30)
    as_json = load_manifest(write_plugin(tmp_path / "a", content, "plugin.json"))[0]
    as_yaml = load_manifest(write_plugin(tmp_path / "b", content, "plugin.yml"))[0]
    assert as_json == as_yaml
    assert (as_json.args, as_json.env, as_json.health_check_interval) == (("a", "2"), {"KEY": "val"}, 30)


def test_yaml_comes_before_json_in_one_folder(tmp_path: Path) -> None:
    write_plugin(tmp_path, manifest(), "plugin.json")
    assert manifest_file(tmp_path) == tmp_path / "plugin.json"
    write_plugin(tmp_path, manifest())
    assert manifest_file(tmp_path) == tmp_path / "plugin.yaml"


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ({"type": "http", "endpoint": "http://a"}, "missing metadata"),
        ({"type": "http", "endpoint": "http://a"}, "metadata is required"),
        (manifest(metadata={"name": None}), "missing name: name is required"),
        (manifest(metadata={"provider_type": None}), "missing provider_type: provider_type is required"),
        (manifest(metadata={"version": None}), "version is required"),
        (manifest(type=None), "missing type: type is required"),
        (manifest(endpoint=None), "endpoint is required"),
        (manifest(endpoint=None, type="grpc"), "unsupported plugin type 'grpc': write jackfield.toml"),
        (manifest(type="grpc", endpoint="localhost:50051"), "type_unsupported: type: unsupported plugin type 'grpc'"),
        (manifest(type="builtin", endpoint=None), "write it as a native plugin instead"),
        (manifest(type="invalid"), "unsupported plugin type 'invalid'"),
        (manifest("ftp://a"), "must begin with http:// or https://"),
        (manifest("http://user:secret@a"), "must not carry credentials"),
        (manifest("http://a:0"), "has no port 0"),
        (manifest(auto_start="yes"), "auto_start: must be true or false, not a string"),
        (manifest(health_check_interval=-1), "health_check_interval: must be from 0 to 86,400, not -1"),
        (manifest(env={"BAD NAME": 1}), "is not the name of an environment variable"),
        (manifest(args=[["nested"]]), "args.0: must be a string"),
        (manifest(metadata={"plugin_api_version": "2.0.0"}), "2.0.0 is not compatible"),
        (manifest(metadata={"config_schema": [{"type": "string"}]}), "metadata.config_schema.0.name: is required"),
        ([], "must be an object, not a list"),
        ("", "must be an object, not null"),
    ],
)
def test_what_is_wrong_is_named(content: Any, told: str, tmp_path: Path) -> None:
    assert told in refusal(content, tmp_path)


def test_everything_that_is_wrong_is_told_at_once(tmp_path: Path) -> None:
    told = refusal({"metadata": {"name": "x"}, "auto_start": 3}, tmp_path)
    for part in ("manifest_invalid", "missing provider_type", "version is required", "missing type", "auto_start"):
        assert part in told


@pytest.mark.parametrize(
    ("text", "name", "told"),
    [
        ("{", "plugin.json", "manifest_parse: is not JSON"),
        ('{"a": NaN}', "plugin.json", "NaN is no value"),
        ("a: [", "plugin.yaml", "manifest_parse: is not YAML"),
        ("a: 1\na: 2\n", "plugin.yaml", "'a' stands there twice"),
        ("a: &x [1]\nb: *x\n", "plugin.yaml", "has an alias"),
        ("a: !!python/object/apply:os.system [ls]\n", "plugin.yaml", "is not YAML"),
        ("[" * 100, "plugin.yaml", "is nested more than 32 deep"),
        ("[" * 100_000, "plugin.json", "is not JSON"),
    ],
)
def test_what_cannot_be_read_is_told_with_its_place(text: str, name: str, told: str, tmp_path: Path) -> None:
    said = refusal(text, tmp_path, name)
    assert told in said
    assert said.startswith(str(tmp_path / name))


def test_a_file_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match="No such file"):
        load_manifest(tmp_path / "plugin.yaml")


def test_scalars_keep_the_spelling_that_their_author_chose(tmp_path: Path) -> None:
    text = "type: http\nendpoint: http://a/\nenv: {PORT: 8090, ON: true, NO: off, RATE: 1.50, NONE: }\nmetadata:\n"
    text += "  name: 2026-01-01\n  provider_type: x\n  version: 1.10\n"
    found, _ = load_manifest(write_plugin(tmp_path, text))
    assert found.env == {"PORT": "8090", "ON": "true", "NO": "false", "RATE": "1.50", "NONE": ""}
    assert (found.metadata.version, found.metadata.name, found.endpoint) == ("1.10", "2026-01-01", "http://a")


def test_keys_in_lower_case_are_taken_and_strange_ones_warned_of(tmp_path: Path) -> None:
    content = {
        "type": "http", "endpoint": "http://a", "autostart": True, "healthcheckinterval": 5, "colour": "red",
        "metadata": {
            "name": "x", "version": "1", "providertype": "x", "capabilities": {"functioncalling": True},
            "configschema": [{"name": "a", "type": "string", "validation": {"minlength": 2}}],
        },
    }  # fmt: skip
    found, _ = load_manifest(write_plugin(tmp_path, content))
    assert (found.metadata.provider_type, found.auto_start, found.health_check_interval) == ("x", True, 5)
    assert found.metadata.capabilities.function_calling
    assert found.metadata.config_schema[0].rule.min_length == 2
    assert warnings(content, tmp_path) == ["colour: unknown key"]
    assert warnings(manifest(auto_strt=True), tmp_path) == ["auto_strt: unknown key; did you mean 'auto_start'?"]


def test_without_auto_start_it_is_not_started(tmp_path: Path) -> None:
    found, _ = load_manifest(write_plugin(tmp_path, manifest(auto_start=None)))
    assert not found.auto_start
    assert found.health_check_interval == 60


def test_a_newer_api_version_is_warned_of(tmp_path: Path) -> None:
    (told,) = warnings(manifest(metadata={"plugin_api_version": "1.1.0"}), tmp_path)
    assert "1.1.0 is newer than 1.0.0" in told


@pytest.mark.parametrize("name", ["plugin.yaml", "plugin.json"])
def test_what_is_written_is_read_again(name: str, tmp_path: Path) -> None:
    found, _ = load_manifest(write_plugin(tmp_path, COMPLETE))
    file = tmp_path / "deep" / "er" / name
    write_manifest(found, file)
    assert load_manifest(file) == (found, [])
    if name.endswith(".json"):
        assert json.loads(file.read_text())["metadata"]["provider_type"] == "my-ai-provider"


def test_the_example_is_right(tmp_path: Path) -> None:
    example = example_manifest()
    assert example.metadata.name == "Example Plugin"
    assert example.metadata.provider_type == "example-provider"
    file = tmp_path / "example" / "plugin.yaml"
    write_manifest(example, file)
    assert load_manifest(file)[0].metadata.config_schema != ()
    assert read_manifest({})[1] != []
