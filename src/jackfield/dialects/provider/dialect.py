"""The provider dialect: a plugins folder with a folder for each provider, and `plugin.yaml` in it."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from urllib.parse import urlsplit

import structlog

from jackfield.clock import Clock, SystemClock
from jackfield.dialects.base import Blueprint
from jackfield.dialects.provider.config import config_for
from jackfield.dialects.provider.life import PATIENCE, Patience
from jackfield.dialects.provider.lives import Lives
from jackfield.dialects.provider.manifest import ProviderManifest, load_manifest, manifest_file
from jackfield.dialects.provider.plugin import EmbeddingProvider, Ground, ProviderPlugin
from jackfield.dialects.provider.problems import Problem
from jackfield.dialects.provider.schema import form_of
from jackfield.errors import ManifestError
from jackfield.runtimes.http.program import default_memory_mb
from jackfield.runtimes.http.session import PACE, Pace
from jackfield.sdk.manifest import MANIFEST_FILE, Manifest
from jackfield.sdk.plugin import Plugin
from jackfield.sources.base import Contents, Form, Found

log = structlog.get_logger("jackfield.host")

# Folders that tools fill with what others wrote.
_PASSED_OVER = frozenset({"node_modules", "venv", "env", "site-packages", "vendor"})
_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1", "0.0.0.0", "::", ""})  # noqa: S104 - compared with, not bound to
_NOT_IN_VARIABLE = re.compile(r"[^a-z0-9_]")
_NOT_IN_ID = re.compile(r"[^a-z0-9_-]+")


class ProviderFolder:
    """`folder` is where it is read, `shown` where it stands for people."""

    def __init__(self, folder: Path, shown: Path, file: Path) -> None:
        self.folder, self.shown, self.file = folder, shown, file

    @property
    def place(self) -> Path:
        return self.shown / self.file.name

    @cached_property
    def read(self) -> tuple[ProviderManifest, list[Problem]]:
        """Raises `ManifestError`."""
        self._check_inside()
        return load_manifest(self.file, self.place)

    @property
    def aliases(self) -> tuple[str, ...]:
        """As far as they can be told of one that is wrong; also as an environment variable can name them."""
        try:
            type_ = self.read[0].metadata.provider_type
        except ManifestError:
            return ()
        spelled = (_NOT_IN_VARIABLE.sub("_", name.lower()) for name in (self.shown.name, type_))
        return tuple(dict.fromkeys((type_, *(name for name in spelled if name != self.shown.name))))

    def for_host(self) -> Manifest:
        """Raises `ManifestError`."""
        manifest = self.read[0]
        metadata = manifest.metadata
        return Manifest(
            id=make_id(self.shown.name),
            version=metadata.version,
            name=metadata.name,
            description=metadata.description,
            author=metadata.author,
            enabled=manifest.auto_start,
        )

    def contents(self) -> Contents:
        """The manifest alone: the code may be anywhere, and writes beside it what it likes. Raises `ManifestError`."""
        self._check_inside()
        return {f"{self.folder.name}/{self.file.name}": self.file}

    def form(self) -> Form | None:
        try:
            schema = self.read[0].metadata.config_schema
        except ManifestError:
            return None
        return Form(form_of(schema), config_for(schema))

    def _check_inside(self) -> None:
        try:
            root = self.folder.parent.resolve()
            inside = self.file.resolve(strict=True).is_relative_to(self.folder.resolve(strict=True))
            inside = inside and self.folder.resolve().is_relative_to(root)
        except (OSError, RuntimeError) as error:
            raise ManifestError(f"manifest_invalid: {error}", file=str(self.place)) from error
        if not inside:
            raise ManifestError("manifest_invalid: leads out of the plugins folder", file=str(self.place))


class ProviderDialect:
    """`listening` is host and port of this gateway; `data_dir` where workers agree on who starts a program."""

    name = "provider"

    def __init__(
        self,
        *,
        clock: Clock | None = None,
        data_dir: Path | None = None,
        listening: tuple[str, int] | None = None,
        memory_mb: int | None = None,
        environ: Mapping[str, str] | None = None,
        patience: Patience = PATIENCE,
        pace: Pace = PACE,
    ) -> None:
        self._clock, self._listening, self._environ = clock or SystemClock(), listening, environ
        self._memory_mb, self._patience, self._pace = memory_mb or default_memory_mb(), patience, pace
        self._lives: Lives[ProviderPlugin] = Lives(None if data_dir is None else data_dir / "providers")

    def find(self, folder: Path, shown: Path | None = None) -> tuple[Found, ...]:
        """Each sub-folder with a manifest."""
        return tuple(self._found(one) for one in find_folders(folder, shown or folder))

    def _found(self, one: ProviderFolder) -> Found:
        return Found(
            name=one.shown.name,
            source="folder",
            dialect=self.name,
            place=str(one.shown),
            load=lambda: one,
            manifest=one.for_host,
            contents=one.contents,
            form=one.form,
            folder=one.shown,
            root=one.folder.parent,
            runtime="http",
            aliases=one.aliases,
        )

    def read(self, found: Found) -> Blueprint:
        one = found.load()
        if not isinstance(one, ProviderFolder):
            raise ManifestError("is not a provider", file=found.place)
        manifest, problems = one.read
        for problem in problems:
            log.warning("plugin_manifest_unclear", plugin=found.name, file=str(one.place), problem=str(problem))
        schema = manifest.metadata.config_schema
        return Blueprint(
            one.for_host(),
            self._make_kind(one, manifest, Path(found.place)),
            ui_schema=form_of(schema),
            aliases=(manifest.metadata.provider_type,),
            runtime="http",
        )

    def _make_kind(self, one: ProviderFolder, manifest: ProviderManifest, place: Path) -> type[ProviderPlugin]:
        ground = Ground(
            manifest=manifest,
            folder=place if place.is_dir() else one.folder,
            digest=one.file.read_bytes().hex(),
            clock=self._clock,
            lives=self._lives,
            memory_mb=self._memory_mb,
            own_address=self._is_own(manifest.endpoint),
            patience=self._patience,
            pace=self._pace,
            environ=self._environ,
        )
        kind = EmbeddingProvider if manifest.metadata.capabilities.embeddings else ProviderPlugin
        config = config_for(manifest.metadata.config_schema, self._environ)
        return type("ProviderPlugin", (kind,), {"ground": ground, "__orig_bases__": (Plugin[config],)})  # type: ignore[valid-type]

    def _is_own(self, endpoint: str) -> bool:
        """Whether it can be nobody's address but ours: the guide's examples use the port that is our default."""
        if self._listening is None:
            return False
        parts, (host, port) = urlsplit(endpoint), self._listening
        reached = (parts.hostname or "").strip("[]").lower()
        same_host = reached == host.lower() or (reached in _LOOPBACK and host.lower() in _LOOPBACK)
        default = 443 if parts.scheme == "https" else 80
        return bool(port) and (parts.port or default) == port and same_host


def find_folders(folder: Path, shown: Path) -> list[ProviderFolder]:
    """One level deep: what a provider's own folder holds is its own. Of one that cannot be looked into nobody can tell
    whether it is one."""
    found = []
    for entry in sorted(folder.iterdir()):
        if entry.name.startswith((".", "_")) or entry.name in _PASSED_OVER or not os.access(entry, os.R_OK | os.X_OK):
            continue
        try:
            file = None if (entry / MANIFEST_FILE).is_file() else manifest_file(entry)
        except OSError:
            continue
        if file is not None:
            found.append(ProviderFolder(entry, shown / entry.name, file))
    return found


def make_id(name: str) -> str:
    """A folder's name as a plugin's id."""
    spelled = _NOT_IN_ID.sub("-", name.lower()).strip("-_")[:64]
    return spelled if spelled[:1].isalpha() else f"provider-{spelled}"[:64].rstrip("-")
