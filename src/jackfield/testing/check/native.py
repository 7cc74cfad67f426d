"""The checks of a native plugin."""

from __future__ import annotations

import ast
import re
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path

from jackfield.dialects.contents import collect
from jackfield.errors import ManifestError
from jackfield.sdk.manifest import Manifest, read_bounded
from jackfield.sdk.permissions import check_permission
from jackfield.sdk.plugin import Plugin, id_of
from jackfield.settings.lines import find_lines
from jackfield.testing.check.checked import Checked, Stated, check_source
from jackfield.testing.check.configs import check_config, foreign_models
from jackfield.testing.check.findings import Finding, finding, show_path
from jackfield.testing.check.hooks import computed_options
from jackfield.testing.check.permissions import check_permissions
from jackfield.testing.check.plugin_class import PluginFile, attribute, stated_text
from jackfield.testing.check.refusals import Lines, tell_refusal, validate
from jackfield.testing.check.rehearsal import rehearse
from jackfield.testing.check.source import Source, text_of
from jackfield.testing.check.subjects import Subject

_AT_LINE = re.compile(r"at line (\d+)")


def check_native(subject: Subject, *, run: bool) -> Checked:
    checked = Checked()
    manifest, lines = _read_manifest(subject, checked)
    entry = _entry_file(subject, manifest)
    files = list(_read_files(subject, checked))
    checked.add(_check_files(subject))
    if manifest is not None and manifest.runtime == "grpc" and not entry.is_file():
        # A program in another language: nothing of it can be read here.
        return checked
    main = next((file for file in files if file.source.path.resolve() == entry.resolve()), None)
    for file in files:
        checked.add(check_source(file))
    asked = _asked(subject, main, manifest, lines, checked)
    if asked is not None:
        checked.add(check_permissions(files, asked, subject.told, stated=manifest is not None))
    if main is not None:
        _check_class(subject, checked, main, manifest)
        _run_if_needed(subject, checked, main, run, _reasons(main, manifest))
    elif not entry.is_file():
        place = subject.told
        checked.add(
            [finding(place, lines.get(("entry",), 1), "plugin-class", f"there is no {entry.name} in the folder")]
        )
    return checked


def _read_manifest(subject: Subject, checked: Checked) -> tuple[Manifest | None, Lines]:
    if subject.manifest is None:
        return None, {}
    try:
        text = read_bounded(subject.manifest)
        data = tomllib.loads(text)
    except ManifestError as error:
        checked.add([finding(subject.manifest, 1, "manifest", str(error))])
        return None, {}
    except tomllib.TOMLDecodeError as error:
        line = _AT_LINE.search(str(error))
        checked.add([finding(subject.manifest, int(line[1]) if line else 1, "syntax", str(error))])
        return None, {}
    lines = find_lines(text)
    manifest = validate(Manifest, data, subject.manifest, lines)
    if not isinstance(manifest, Manifest):
        checked.add(manifest)
        return None, lines
    checked.ids.append(Stated(manifest.id, subject.manifest, lines.get(("id",), 1)))
    checked.add(_check_words(manifest, subject.manifest, own=subject.own))
    return manifest, lines


def _check_words(manifest: Manifest, file: Path, *, own: bool) -> Iterator[Finding]:
    """What comes with Jackfield has its version."""
    if not manifest.description.strip():
        yield finding(file, 1, "description", "there is no description: operators choose by it")
    if "version" not in manifest.model_fields_set and not own:
        yield finding(file, 1, "version", "there is no version: an upgrade cannot be told from what was there")


def _entry_file(subject: Subject, manifest: Manifest | None) -> Path:
    if manifest is None or subject.folder is None:
        return subject.entry
    module = manifest.entry.partition(":")[0]
    return subject.folder.joinpath(*module.split(".")).with_suffix(".py")


def _check_files(subject: Subject) -> Iterator[Finding]:
    """What the gateway would not take a copy of."""
    try:
        if subject.folder is not None:
            collect(subject.folder)
    except ManifestError as error:
        yield tell_refusal(error, subject.told)


def _read_files(subject: Subject, checked: Checked) -> Iterator[PluginFile]:
    for path in subject.sources():
        source = Source.read(path)
        if isinstance(source, Source):
            yield PluginFile(source)
        else:
            checked.add([source])


def _asked(
    subject: Subject, main: PluginFile | None, manifest: Manifest | None, lines: Lines, checked: Checked
) -> Mapping[str, int] | None:
    """Each permission with its line, in the manifest or where there is none in the class; `None` where that cannot be
    read."""
    if manifest is not None:
        return {name: lines.get(("permissions", at), 1) for at, name in enumerate(manifest.permissions)}
    if subject.manifest is not None or main is None:
        return None
    stated = [found for kind in main.plugins if (found := attribute(kind, "permissions")) is not None]
    if not all(isinstance(one, ast.Tuple | ast.List) and all(map(text_of, one.elts)) for one in stated):
        return None
    elements = [element for one in stated for element in ast.walk(one) if isinstance(element, ast.Constant)]
    asked = {str(element.value): element.lineno for element in elements}
    checked.add(_check_names(asked, main.source.path))
    return asked


def _check_names(asked: Mapping[str, int], file: Path) -> Iterator[Finding]:
    for name, line in asked.items():
        try:
            check_permission(name)
        except ValueError as error:
            yield finding(file, line, "manifest", f"permissions: {error}")


def _check_class(subject: Subject, checked: Checked, main: PluginFile, manifest: Manifest | None) -> None:
    wanted = manifest.entry.partition(":")[2] if manifest else ""
    kinds = [kind for kind in main.plugins if wanted in ("", kind.name)]
    path = main.source.path
    if len(kinds) > 1:
        names = ", ".join(kind.name for kind in kinds)
        advice = "name one in the manifest, as in entry = " + f'"{path.stem}:{kinds[0].name}"'
        checked.add(
            [finding(path, kinds[1].lineno, "plugin-class", f"several plugins in one file ({names}): {advice}")]
        )
    elif not kinds and not main.foreign_parents and not _is_imported(main, wanted):
        missing = f"class {wanted}" if wanted else "subclass of jackfield.sdk.Plugin"
        checked.add([finding(path, 1, "plugin-class", f"there is no {missing} in it")])
    elif kinds and subject.manifest is None:
        _check_stated(subject, checked, main, kinds[0])
    if subject.manifest is not None or subject.installed or subject.own:
        checked.add(check_config(main))


def _is_imported(main: PluginFile, wanted: str) -> bool:
    """Only running it tells whether what it is imported as is a plugin of this file's own."""
    return wanted in main.source.origins


def _check_stated(subject: Subject, checked: Checked, main: PluginFile, kind: ast.ClassDef) -> None:
    """What the class says where there is no manifest. A plugin that is not handed on needs no words for others."""
    path = main.source.path
    stated = attribute(kind, "id")
    name = stated_text(kind, "id") or (id_of(type(kind.name, (Plugin,), {})) if stated is None else None)
    if name is not None:
        checked.ids.append(Stated(name, path, stated.lineno if stated else kind.lineno))
    if (subject.installed or subject.own) and attribute(kind, "description") is None:
        checked.add([finding(path, kind.lineno, "description", f"{kind.name} has no description")])
    if subject.installed and attribute(kind, "version") is None:
        checked.add([finding(path, kind.lineno, "version", f"{kind.name} has no version")])


def _reasons(main: PluginFile, manifest: Manifest | None) -> list[str]:
    """What cannot be read from the source."""
    reasons = [*computed_options(main), *foreign_models(main)]
    reasons += [f"{node.name}'s parent {parent} is in another file" for node, parent in _open_parents(main)]
    wanted = manifest.entry.partition(":")[2] if manifest else ""
    return reasons + ([f"{wanted} is from another file"] if _is_imported(main, wanted) else [])


def _run_if_needed(subject: Subject, checked: Checked, main: PluginFile, run: bool, reasons: list[str]) -> None:
    """Only where the rest of it can be loaded."""
    if not reasons or any(found.code in ("syntax", "plugin-class", "manifest") for found in checked.findings):
        return
    place = main.source.path
    if not run:
        checked.unread += [f"{show_path(place)}: {reason}" for reason in reasons]
        return
    checked.ran.append(f"{show_path(place)}: {'; '.join(reasons)}")
    checked.add(rehearse(subject, main, described=subject.manifest is not None or subject.installed))


def _open_parents(main: PluginFile) -> list[tuple[ast.ClassDef, str]]:
    """Where a plugin is found already a parent elsewhere matters only if it is that plugin's own."""
    names = {plugin.name for plugin in main.plugins}
    return [(node, origin) for node, origin in main.foreign_parents if not names or node.name in names]
