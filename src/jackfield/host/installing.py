"""What the world is to be when a copy is taken into service that the operator has no folder of."""

from __future__ import annotations

import msgspec
from packaging.version import InvalidVersion, Version

from jackfield.errors import Conflict, Unprocessable
from jackfield.host import loader
from jackfield.host.approvals import approving
from jackfield.host.drafts import CHOICES
from jackfield.host.plugin import LoadedPlugin
from jackfield.host.survey import Sighting
from jackfield.host.world import Entry, World

# Whose code runs with all that the gateway's user may do: nobody gets that without being named.
UNCONFINED = frozenset({"http", "grpc"})


class Wish(msgspec.Struct, frozen=True, kw_only=True):
    """What the operator says with an installation. `allow_downgrade` takes a version that is not newer than the one
    that is installed, `new_signer` one that somebody else has signed."""

    approve: tuple[str, ...] = ()
    runtime: str | None = None
    allow_downgrade: bool = False
    new_signer: bool = False


NO_WISH = Wish()


def draw_up(world: World, former: LoadedPlugin | None, seen: Sighting, wish: Wish) -> World:
    """`former` is what is known by its id. Raises `Conflict` and `Unprocessable`."""
    plugin_id, entry = seen.stated_id, world.entry(seen.stated_id)
    if former is not None and not entry.installed:
        raise Conflict(f"id {plugin_id!r} is taken by {former.place} ({former.source})", plugin=plugin_id)
    if entry.installed:
        _refuse_step_back(entry, former, seen, wish)
    runtime = choose_runtime(entry, seen, wish)
    world = approving(world, plugin_id, _refuse_unasked(seen, wish.approve))
    world = world.with_entry(plugin_id, enabled=True, installed=True, code=seen.code, runtime=runtime)
    return _without_unasked(world, seen)


def is_approved(world: World, seen: Sighting) -> bool:
    """Whether it may start; of one without a manifest only its code can tell."""
    approved = world.entry(seen.stated_id).approved or ()
    return seen.manifest is None or all(name in approved for name in seen.manifest.permissions)


def choose_runtime(entry: Entry, seen: Sighting, wish: Wish) -> str | None:
    """Isolated, where the operator has not said otherwise, now or when it was installed; `None` for what has one place
    to run in, and is confined there. Raises `Unprocessable`."""
    given, kept = runtime_of(seen), entry.runtime if entry.installed else None
    choices = CHOICES.get(given, (given,))
    if wish.runtime is not None and wish.runtime not in choices:
        ways = " or ".join(map(repr, choices))
        told = f"runtime: there is no {wish.runtime[:100]!r} for this plugin, only {ways}"
        raise Unprocessable(told, plugin=seen.stated_id, param="runtime")
    if given in UNCONFINED and given not in (wish.runtime, kept):
        told = f"its code runs in {loader.RUNTIMES[given]}, with all that the gateway's user may do"
        raise Unprocessable(f'runtime: {told}; say "{given}" if you trust it', plugin=seen.stated_id, param="runtime")
    if len(choices) == 1:
        return given if given in UNCONFINED else None
    return wish.runtime or (kept if kept in choices else None) or "isolated"


def runtime_of(seen: Sighting) -> str:
    """Where its code runs if nobody chooses."""
    manifest = seen.manifest
    return manifest.runtime if manifest is not None and seen.found.runtime == "inprocess" else seen.found.runtime


def _refuse_step_back(entry: Entry, former: LoadedPlugin | None, seen: Sighting, wish: Wish) -> None:
    origin = seen.code.origin if seen.code is not None else None
    before = entry.code.origin if entry.code is not None else None
    if origin is None:
        return
    version = before.version if before is not None else former.version if former is not None else "0.0.0"
    same = entry.code is not None and seen.code is not None and entry.code.digest == seen.code.digest
    if not (same or wish.allow_downgrade or is_newer(origin.version, version)):
        told = f"version {version} is installed, and {origin.version} is not newer: say allow_downgrade to take it"
        raise Conflict(told, plugin=origin.id, param="allow_downgrade")
    if before is not None and before.signer not in (None, origin.signer) and not wish.new_signer:
        signer = "nobody" if origin.signer is None else f"the key {origin.signer}"
        told = f"version {version} was signed with the key {before.signer}, and this one by {signer}"
        raise Conflict(f"{told}: say new_signer to take it", plugin=origin.id, param="new_signer")


def is_newer(version: str, than: str) -> bool:
    """What is no version is not newer than anything."""
    try:
        return Version(version) > Version(than)
    except InvalidVersion:
        return False


def _refuse_unasked(seen: Sighting, approve: tuple[str, ...]) -> tuple[str, ...]:
    """Nothing is approved beforehand that a later version might ask for."""
    asked = seen.manifest.permissions if seen.manifest is not None else approve
    unasked = next((name for name in approve if name not in asked), None)
    if unasked is not None:
        told = f"{seen.stated_id} does not ask for {unasked[:100]!r}"
        raise Unprocessable(told, plugin=seen.stated_id, param="approve")
    return approve


def _without_unasked(world: World, seen: Sighting) -> World:
    approved = world.entry(seen.stated_id).approved
    if approved is None or seen.manifest is None:
        return world
    kept = tuple(name for name in approved if name in seen.manifest.permissions)
    return world.with_entry(seen.stated_id, approved=kept)
