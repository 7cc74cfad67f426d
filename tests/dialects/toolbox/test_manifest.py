"""`manifest.json` and `sentinel` in `package.json`: each field of the guide, and what is wrong with it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from jackfield.dialects.toolbox.manifest import ToolboxManifest, read
from jackfield.errors import ManifestError

# The guide's, word for word.
GUIDE = """{
  "id": "my-plugin",
  "name": "My Plugin",
  "version": "1.0.0",
  "description": "A description of what the plugin does",
  "author": "Your Name",
  "main": "index.ts",
  "permissions": [
    "tools:register",
    "storage:read",
    "storage:write",
    "http:outbound",
    "events:subscribe"
  ],
  "dependencies": []
}"""
LEAST: dict[str, Any] = {"id": "mine", "name": "Mine", "version": "1.0.0"}


def parse(file: str = "manifest.json", **fields: Any) -> ToolboxManifest:
    said = {key: value for key, value in {**LEAST, **fields}.items() if value is not ...}
    return read(json.dumps(said), file, f"plugins/mine/{file}")


def refusal(file: str = "manifest.json", **fields: Any) -> str:
    with pytest.raises(ManifestError) as refused:
        parse(file, **fields)
    return str(refused.value)


def test_the_guides_example_is_a_manifest() -> None:
    manifest = read(GUIDE, "manifest.json", "here")
    assert (manifest.id, manifest.name, manifest.version, manifest.main) == (
        "my-plugin",
        "My Plugin",
        "1.0.0",
        "index.ts",
    )
    host = manifest.for_host()
    assert (host.author, len(host.permissions), host.requires.plugins) == ("Your Name", 5, ())


def test_only_id_name_and_version_are_required() -> None:
    manifest = parse()
    assert (manifest.main, manifest.permissions, manifest.dependencies) == ("index.ts", [], [])
    assert manifest.told() == {**LEAST, "main": "index.ts"}


@pytest.mark.parametrize("field", ["id", "name", "version"])
def test_what_is_required_is_named_where_it_is_missing(field: str) -> None:
    assert refusal(**{field: ...}) == f"plugins/mine/manifest.json: {field}: is required"


@pytest.mark.parametrize("name", ["My-Plugin", "1st", "my_plugin", "my plugin", "-x", "", "mine\n", "é", "a" * 65])
def test_an_id_is_small_letters_digits_and_hyphens(name: str) -> None:
    assert refusal(id=name).startswith(
        "plugins/mine/manifest.json: id: is at most 64 small letters, digits and hyphens"
    )


@pytest.mark.parametrize("name", ["a", "a-", "a--b", "x1-2"])
def test_every_id_that_the_guides_pattern_allows_is_taken(name: str) -> None:
    assert parse(id=name).id == name


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"version": "1.0"}, "version: is no semantic version such as 1.0.0: '1.0'"),
        ({"version": "latest"}, "version: is no semantic version"),
        ({"name": ""}, "name: String should have at least 1 character"),
        ({"name": 3}, "name: Input should be a valid string"),
        ({"description": []}, "description: Input should be a valid string"),
        ({"main": ""}, "main: "),
        ({"main": 1}, "main: Input should be a valid string"),
        ({"permissions": None}, "permissions: Input should be a valid list"),
        ({"permissions": "tools:register"}, "permissions: Input should be a valid list"),
        ({"permissions": ["tools:regster"]},
         "permissions.0: there is no permission 'tools:regster'; did you mean 'tools:register'?"),
        ({"dependencies": "other"}, "dependencies: Input should be a valid list"),
        ({"dependencies": ["Other"]}, "dependencies.0: String should match pattern"),
        ({"homepage": "javascript:alert(1)"}, "homepage: is no http or https address"),
        ({"minOpenSentinelVersion": "3.6.2"}, "minOpenSentinelVersion: the plugin needs OpenSentinel 3.6.2 or newer"),
        ({"minOpenSentinelVersion": "4"}, "minOpenSentinelVersion: the plugin needs OpenSentinel 4 or newer"),
        ({"minOpenSentinelVersion": "soon"}, "minOpenSentinelVersion: is no version such as 3.6.1"),
        ({"permisions": []}, "permisions: unknown key; did you mean 'permissions'?"),
        ({"dependancies": []}, "dependancies: unknown key; did you mean 'dependencies'?"),
        ({"minOpensentinelVersion": "9.0.0"},
         "minOpensentinelVersion: unknown key; did you mean 'minOpenSentinelVersion'?"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_told_with_file_and_field(fields: dict[str, Any], told: str) -> None:
    assert refusal(**fields).startswith(f"plugins/mine/manifest.json: {told}")


@pytest.mark.parametrize("version", ["1.0.0-beta.1", "1.0.0+build", "0.0.1", "10.20.30-rc.1+5"])
def test_every_semantic_version_is_taken(version: str) -> None:
    assert parse(version=version).version == version


@pytest.mark.parametrize("version", ["3.6.1", "3.6.0", "v3.0.0", "3", "2.9"])
def test_a_minimum_that_is_met_is_taken(version: str) -> None:
    assert parse(minOpenSentinelVersion=version).minOpenSentinelVersion == version


def test_fields_of_the_authors_own_are_kept_and_told_to_the_plugin() -> None:
    manifest = parse(icon="sun.png", license="MIT", keywords=["weather"])
    assert manifest.own_keys == ("icon", "license", "keywords")
    assert manifest.told()["icon"] == "sun.png"


def test_an_author_as_npm_writes_them_is_their_name() -> None:
    assert parse(author={"name": "Ada", "email": "ada@example.com"}).author == "Ada"


@pytest.mark.parametrize("text", ["{", "", "[1", "{'id': 1}", "[" * 100_000])
def test_what_is_no_json_is_told_with_its_line(text: str) -> None:
    with pytest.raises(ManifestError, match=r"^here(:1)?: "):
        read(text, "manifest.json", "here")


def test_what_is_no_object_is_refused() -> None:
    with pytest.raises(ManifestError, match=r"^here: must be an object, not list"):
        read("[]", "manifest.json", "here")


def test_a_package_gives_what_sentinel_does_not() -> None:
    manifest = parse(
        "package.json",
        id=...,
        name="mine",
        description="Of npm",
        author={"name": "Ada"},
        main="dist/index.js",
        dependencies={"left-pad": "^1.0.0"},
        sentinel={"name": "My Plugin", "permissions": ["tools:register"], "dependencies": ["other"]},
    )
    assert (manifest.id, manifest.name, manifest.description, manifest.author, manifest.main) == (
        "mine",
        "My Plugin",
        "Of npm",
        "Ada",
        "dist/index.js",
    )
    assert (manifest.permissions, manifest.dependencies) == (["tools:register"], ["other"])


def test_sentinel_comes_before_the_package() -> None:
    manifest = parse("package.json", main="a.js", sentinel={"id": "x", "main": "b.ts", "version": "2.0.0"})
    assert (manifest.id, manifest.main, manifest.version) == ("x", "b.ts", "2.0.0")


def test_a_scoped_package_needs_an_id_of_its_own() -> None:
    assert refusal("package.json", id=..., name="@acme/weather", sentinel={}).endswith(
        "not '@acme/weather': give the plugin one in sentinel.id"
    )
    assert parse("package.json", name="@acme/weather", sentinel={"id": "weather"}).id == "weather"


@pytest.mark.parametrize("part", [None, [], "yes", 1])
def test_sentinel_must_be_an_object(part: object) -> None:
    assert refusal("package.json", sentinel=part) == "plugins/mine/package.json: sentinel: must be an object"
