"""What a toolbox plugin says of itself: `manifest.json`, or `sentinel` in `package.json`."""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Iterator, Mapping
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from jackfield.errors import ManifestError
from jackfield.sdk.manifest import Id as HostId
from jackfield.sdk.manifest import Manifest, Needs
from jackfield.sdk.permissions import check_permission

# The version of the guide's system whose plugins run here: `minOpenSentinelVersion` is measured against it.
GUIDE_VERSION = (3, 6, 1)
MANIFEST, PACKAGE, PART = "manifest.json", "package.json", "sentinel"
DEFAULT_MAIN = "index.ts"

_MINIMUM = re.compile(r"^v?(\d{1,9})(?:\.(\d{1,9}))?(?:\.(\d{1,9}))?$")
_SEMVER = r"^\d+\.\d+\.\d+(?:-[0-9A-Za-z.-]+)?(?:\+[0-9A-Za-z.-]+)?$"
_URL = re.compile(r"^(?:(?:git\+)?https?://\S+)?$")
# As close as this a key is a mistaken one of the manifest's; what is further away is the author's own.
_CLOSE = 0.81
# What `package.json` says for npm and for the plugin.
_SHARED = ("name", "version", "description", "author", "homepage", "main")


def _author_name(author: Any) -> Any:
    """npm's form of an author, `{name, email, url}`, as its name."""
    return author.get("name", "") if isinstance(author, dict) else author


def _check_homepage(url: str) -> str:
    if not _URL.fullmatch(url):
        raise ValueError(f"is no http or https address: {url!r:.100}")
    return url


def _check_minimum(version: str) -> str:
    found = _MINIMUM.fullmatch(version)
    if found is None:
        raise ValueError(f"is no version such as 3.6.1: {version!r:.100}")
    if tuple(int(part or 0) for part in found.groups()) > GUIDE_VERSION:
        followed = ".".join(map(str, GUIDE_VERSION))
        raise ValueError(f"the plugin needs OpenSentinel {version} or newer; here runs what is written for {followed}")
    return version


class ToolboxManifest(BaseModel):
    """Keys that nobody knows are the author's own, and kept; one that is nearly one of these is refused."""

    model_config = ConfigDict(extra="allow", strict=True, frozen=True)

    id: Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]*$", max_length=64)]
    name: Annotated[str, Field(min_length=1)]
    version: Annotated[str, Field(pattern=_SEMVER)]
    description: str = ""
    author: Annotated[str, BeforeValidator(_author_name)] = ""
    main: Annotated[str, Field(min_length=1)] = DEFAULT_MAIN
    permissions: list[Annotated[str, AfterValidator(check_permission)]] = []
    dependencies: list[HostId] = []
    homepage: Annotated[str, AfterValidator(_check_homepage)] = ""
    minOpenSentinelVersion: Annotated[str, AfterValidator(_check_minimum)] | None = None  # noqa: N815 - the guide's word

    @property
    def own_keys(self) -> tuple[str, ...]:
        return tuple(self.model_extra or ())

    def told(self) -> dict[str, Any]:
        """As the plugin itself sees it: what was written, and `main` where it was not."""
        return {**self.model_dump(exclude_unset=True), "main": self.main}

    def for_host(self) -> Manifest:
        return Manifest(
            id=self.id,
            version=self.version,
            name=self.name,
            description=self.description,
            author=self.author,
            permissions=tuple(dict.fromkeys(self.permissions)),
            requires=Needs(plugins=tuple(dict.fromkeys(self.dependencies))),
        )


class Wrong(Exception):
    """`steps` lead to the field that is wrong."""

    def __init__(self, message: str, steps: tuple[str | int, ...] = ()) -> None:
        super().__init__(message)
        self.message, self.steps = message, steps


def decode(text: str, place: str) -> Any:
    """Raises `ManifestError`."""
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        raise ManifestError(f"is not JSON: {error.msg}", file=place, line=error.lineno) from error
    except RecursionError as error:
        raise ManifestError("is nested too deeply", file=place) from error


def stated(data: Any, file: str) -> Any:
    """Of `package.json` what is a manifest: npm's own fields, and `sentinel` over them. Raises `Wrong`."""
    if file != PACKAGE:
        return data
    if not isinstance(data, dict) or PART not in data:
        raise Wrong(f"there is no {PART}")
    part = data[PART]
    if not isinstance(part, dict):
        raise Wrong("must be an object", (PART,))
    shared = {key: data[key] for key in _SHARED if key in data}
    return {"id": data.get("name"), **shared, **part}


def problems(data: Any, file: str) -> Iterator[Wrong]:
    """All that is wrong with it; `data` is all of the file called `file`."""
    try:
        said = stated(data, file)
    except Wrong as wrong:
        yield wrong
        return
    if not isinstance(said, dict):
        yield Wrong(f"must be an object, not {type(said).__name__}")
        return
    yield from _mistaken(said)
    try:
        ToolboxManifest.model_validate(said)
    except ValidationError as error:
        yield from (Wrong(_tell(one, said, file), tuple(one["loc"])) for one in error.errors())


def parse(data: Any, file: str) -> ToolboxManifest:
    """Raises `Wrong`."""
    for wrong in problems(data, file):
        raise wrong
    return ToolboxManifest.model_validate(stated(data, file))


def read(text: str, file: str, place: str) -> ToolboxManifest:
    """Raises `ManifestError` naming `place` and the field."""
    try:
        return parse(decode(text, place), file)
    except Wrong as wrong:
        raise ManifestError(wrong.message, file=place, field=".".join(map(str, wrong.steps))) from wrong


def _mistaken(said: Mapping[str, Any]) -> Iterator[Wrong]:
    known = {field.lower(): field for field in ToolboxManifest.model_fields}
    for key in said:
        if key in known.values():
            continue
        close = difflib.get_close_matches(key.lower(), known, n=1, cutoff=_CLOSE)
        if close and known[close[0]] not in said:
            yield Wrong(f"unknown key; did you mean {known[close[0]]!r}?", (key,))


def _tell(error: Any, said: Mapping[str, Any], file: str) -> str:
    field, given = error["loc"][0], error["input"]
    if error["type"] == "missing" or (field == "id" and given is None):
        return "is required"
    if field == "id" and isinstance(given, str):
        return _tell_id(given, said, file)
    if field == "version" and isinstance(given, str):
        return f"is no semantic version such as 1.0.0: {given!r:.100}"
    return str(error["msg"]).removeprefix("Value error, ")


def _tell_id(given: str, said: Mapping[str, Any], file: str) -> str:
    rule = "is at most 64 small letters, digits and hyphens, and begins with a letter"
    if file == PACKAGE and given == said.get("name"):
        return f"{rule}, not {given!r:.100}: give the plugin one in {PART}.id"
    return f"{rule}, not {given!r:.100}"
