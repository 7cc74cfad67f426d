"""The only owner of plugin lives: what an operator may change, each change drawn up here and carried out by the
stage.

Where anything of a change fails nothing has changed, neither in memory nor on disk. Requests never wait for one.
"""

from __future__ import annotations

import asyncio
import difflib
from collections.abc import Callable, Coroutine, Iterable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import structlog

from jackfield.errors import Conflict, JackfieldError, NotFound, Unavailable, Unprocessable
from jackfield.hooks.guard import PluginStats
from jackfield.host.approvals import approving, check_known, refuse_overridden
from jackfield.host.aside import run_aside
from jackfield.host.installing import NO_WISH, Wish, draw_up, is_approved
from jackfield.host.late import in_turns, take_in
from jackfield.host.plugin import LoadedPlugin
from jackfield.host.routes import UpstreamLink
from jackfield.host.snapshot import Snapshot
from jackfield.host.stage import Changed, Draft, Stage
from jackfield.host.survey import Sighting, Surveyor, mixed, notes
from jackfield.host.world import NOTHING, Origin, World, decode, lift, roll_back
from jackfield.sources.archives.parcel import Parcel
from jackfield.stores.generations import Generation, Generations

# Copying and hashing what is on disk; a disk that takes longer is not one to wait for.
SURVEY_S = 60.0

log = structlog.get_logger("jackfield.host")
T = TypeVar("T")


class Host:
    """One change at a time; a change that was begun is carried through although who asked for it has left.

    Changes raise `NotFound` for a name that is nobody's, `Conflict` for one that is refused, and `Unprocessable`,
    `ConfigError` or `ManifestError` for what is wrong in itself.
    """

    def __init__(self, surveyor: Surveyor, stage: Stage, generations: Generations, configured: Iterable[str]) -> None:
        self._surveyor, self._stage, self._generations = surveyor, stage, generations
        self._configured = tuple(configured)
        # Why this worker does not serve the newest generation, where it cannot.
        self.behind: str | None = None
        self._stopping = False
        self._changing = asyncio.Lock()
        self._tasks: set[asyncio.Task[Any]] = set()

    @property
    def snapshot(self) -> Snapshot:
        return self._stage.snapshot

    @property
    def has_begun(self) -> bool:
        return self._stage.has_begun

    @property
    def links(self) -> tuple[UpstreamLink, ...]:
        """The upstreams of the newest snapshot; none before the host has started."""
        return tuple(self.snapshot.routes.links.values()) if self.has_begun else ()

    @property
    def draining(self) -> int:
        """How many former generations still have requests."""
        return len(self._stage.retired)

    async def drained(self) -> None:
        """Waits until no former generation is left."""
        await self._stage.retired.settled()

    def find(self, name: str) -> LoadedPlugin:
        """By id, else by display name or another name of its own. Raises `NotFound` that tells close ones."""
        plugins = self.snapshot.plugins
        if name in plugins:
            return plugins[name]
        called = [plugin for plugin in plugins.values() if plugin.is_called(name)]
        if len(called) == 1:
            return called[0]
        if called:
            raise NotFound(f"Several plugins are called {name[:100]!r}: {', '.join(one.id for one in called)}")
        close = difflib.get_close_matches(name[:100], plugins, n=3, cutoff=0.5)
        hint = f"; did you mean {' or '.join(map(repr, close))}?" if close else ""
        raise NotFound(f"There is no plugin {name[:100]!r}{hint}")

    def _one(self, name: str) -> LoadedPlugin:
        """As `find`, for a change. Raises `Conflict` for one whose id is another's: only its files can be changed."""
        plugin = self.find(name)
        if plugin.spare:
            raise Conflict(plugin.reason or "its id is another plugin's", plugin=plugin.id)
        return plugin

    async def start(self, *, joins: bool = False) -> Snapshot:
        """Loads everything there is, as the last generation left it. Raises `ConfigError` for what concerns the gateway
        as a whole; a plugin's own trouble only makes it `failed`. One that `joins` others takes over what they serve:
        what the disk has by now is not its to take in."""
        latest = await self._generations.latest()
        world = decode(latest.body) if latest is not None else World()
        if joins and latest is not None:
            await self._stage.join(world, await self._restored(world), latest)
            self._await_late()
            return self.snapshot
        seen = await self._look()
        settled = await self._aside(lambda: self._surveyor.settle(seen, world.entries, ()))
        try:
            await self._stage.begin(lift(world, settled.lifted), settled.sightings, latest)
        except Conflict:
            # Several workers start at once, and another was first.
            return await self.start(joins=True)
        self._warn_of_strangers()
        await self._tidy()
        self._await_late()
        return self.snapshot

    def _await_late(self) -> None:
        """Those that were not waited for are taken in as they come."""
        late = (plugin for plugin in self.snapshot.plugins.values() if plugin.state == "loading")
        for turn in in_turns(late, self._stage.readings):
            self._own(take_in(turn, self._stage.readings, self._settle), f"late-{turn[0].id}")

    async def _settle(self, plugin_ids: tuple[str, ...]) -> None:
        await self._alone(self._stage.settle(plugin_ids))

    async def stop(self) -> None:
        self._stopping = True
        for task in list(self._tasks):
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)
        await self._stage.stop()

    async def reload(
        self, names: Iterable[str] = (), *, force: bool = False, actor: str, action: str = "hot-swap"
    ) -> Changed:
        """Takes in what is on disk now: everything, or only the plugins that are named. What has not changed runs on,
        unless `force` has it replaced too."""
        return await self._alone(self._reload(tuple(names), actor, action, force=force))

    async def toggle(self, name: str, enabled: bool, *, actor: str) -> Changed:
        return await self._alone(self._toggle(name, actor, enabled=enabled))

    async def configure(
        self, name: str, config: Mapping[str, Any], *, actor: str, expected: int | None = None
    ) -> Changed:
        """Replaces what the operator has set of a plugin's config. `expected` is the generation that they have
        seen."""
        return await self._alone(self._configure(name, dict(config), actor, expected))

    async def install(self, name: str, *, approve: Iterable[str] = (), actor: str) -> Changed:
        """Takes a plugin that is on disk into service, as it is there now."""
        return await self._alone(self._install(name, tuple(approve), actor))

    async def install_folder(
        self, folder: Path, *, sha256: str | None = None, wish: Wish = NO_WISH, actor: str
    ) -> Changed:
        """Copies the plugin in `folder` and takes the copy into service. `sha256` is that of its contents."""
        return await self._alone(self._take_copy(lambda: self._surveyor.see_folder(folder, sha256), wish, actor))

    async def install_parcel(
        self, parcel: Parcel, *, catalogue: str | None = None, wish: Wish = NO_WISH, actor: str
    ) -> Changed:
        """Takes what was in an archive into service. `catalogue` is the one that led to it."""
        return await self._alone(self._take_copy(lambda: self._surveyor.see_parcel(parcel, catalogue), wish, actor))

    @property
    def world(self) -> World:
        return self._stage.world

    async def find_on_disk(self, name: str) -> Sighting | None:
        """What `install` would take by that name."""
        return await self._alone(self._find_on_disk(name))

    def origin(self, plugin_id: str) -> Origin | None:
        """The archive that an installed plugin came in."""
        code = self._stage.world.entry(plugin_id).code
        return None if code is None else code.origin

    async def uninstall(self, name: str, *, actor: str) -> Changed:
        """Takes a plugin out of service: an installed one with its code; one in a folder until it is installed again,
        and the folder stays as it is."""
        return await self._alone(self._uninstall(name, actor))

    async def approve(self, name: str, permissions: Iterable[str], *, actor: str) -> Changed:
        """Sets what a plugin may do, of what it asks for."""
        return await self._alone(self._approve(name, tuple(permissions), actor))

    async def rollback(self, *, actor: str) -> Changed:
        """Restores the generation before the last change whole: code, config, what is enabled and approved,
        counters."""
        return await self._alone(self._rollback(actor))

    async def history(self) -> tuple[Generation, ...]:
        """Newest first."""
        return await self._generations.list()

    async def reload_changed(self, *, actor: str) -> list[Changed | JackfieldError]:
        """Takes in each plugin that has changed on disk by itself: one that is refused keeps no other back."""
        seen = await self._look()
        before = self._known_on_disk()
        after = {one.found.place: (one.digest, one.problem) for one in seen}
        places = {place for place in before.keys() | after.keys() if before.get(place) != after.get(place)}
        told: dict[str, Changed | JackfieldError] = {}
        waiting = sorted(places)
        while waiting:
            for place in waiting:
                try:
                    told[place] = await self._alone(self._take([place], actor, "watch"))
                except JackfieldError as error:
                    told[place] = error
            refused = [place for place in waiting if isinstance(told[place], JackfieldError)]
            # What one was refused for another may have brought since.
            waiting = refused if len(refused) < len(waiting) else []
        return list(told.values())

    async def follow(self) -> None:
        """Takes over what another worker has changed."""
        if await self._generations.latest_number() != self.snapshot.generation:
            await self._alone(_nothing())

    async def _reload(self, names: tuple[str, ...], actor: str, action: str, *, force: bool) -> Changed:
        seen = await self._look()
        if names:
            chosen = [self._sighting(name, seen) for name in names]
            forced = [self._id_of(one) for one in chosen] if force else []
            return await self._take([one.found.place for one in chosen], actor, action, seen, forced)
        world = self._stage.world
        settled = await self._aside(lambda: self._surveyor.settle(seen, world.entries, ()))
        plugins = self.snapshot.plugins.values()
        forced = [one.id for one in plugins if force and one.state != "disabled" and not one.spare]
        return await self._change(
            lift(world, settled.lifted).with_anew(forced),
            settled.sightings,
            actor,
            action,
            forced="all" if force else (),
            retried="all",
            notes=notes(settled),
        )

    async def _take(
        self,
        places: list[str],
        actor: str,
        action: str,
        seen: list[Sighting] | None = None,
        forced: Iterable[str] = (),
    ) -> Changed:
        """Takes in only what stands at these places."""
        seen = await self._look() if seen is None else seen
        sightings = mixed(self._stage.sightings, seen, places)
        names = [self._id_of(one) for one in sightings if one.found.place in places]
        world = lift(self._stage.world, names).with_anew(forced)
        return await self._change(world, sightings, actor, action, forced=tuple(forced), retried=names)

    async def _toggle(self, name: str, actor: str, *, enabled: bool) -> Changed:
        plugin = self._one(name)
        if enabled and not plugin.running:
            self._surveyor.refuse_withdrawn(self._stage.world.entry(plugin.id).code)
        world = self._stage.world.with_entry(plugin.id, enabled=enabled)
        if plugin.running == enabled and world == self._stage.world:
            return self._unchanged()
        if enabled and not plugin.running:
            # Another worker may not have seen that it was disabled.
            world = world.with_anew((plugin.id,))
        action, must_run = ("enable", (plugin.id,)) if enabled else ("disable", ())
        return await self._change(world, self._stage.sightings, actor, action, must_run=must_run, retried=must_run)

    async def _configure(self, name: str, config: dict[str, Any], actor: str, expected: int | None) -> Changed:
        plugin, generation = self._one(name), self.snapshot.generation
        if expected not in (None, generation):
            raise Conflict(f"generation {generation} serves, not {expected}: it was changed meanwhile")
        changes: dict[str, Any] = {"enabled": config.pop("enabled")} if "enabled" in config else {}
        world = self._stage.world.with_entry(plugin.id, config=config, **changes)
        return await self._change(world, self._stage.sightings, actor, "configure")

    async def _find_on_disk(self, name: str) -> Sighting | None:
        try:
            return self._sighting(name, await self._look())
        except NotFound:
            return None

    async def _install(self, name: str, approve: tuple[str, ...], actor: str) -> Changed:
        seen = await self._look()
        chosen = self._sighting(name, seen)
        plugin_id = self._id_of(chosen)
        world = approving(lift(self._stage.world, [plugin_id]), plugin_id, approve)
        sightings = mixed(self._stage.sightings, seen, [chosen.found.place])
        world = world.with_entry(plugin_id, enabled=True)
        # The id of one without a manifest is known only when its code has run.
        listed = any(plugin.place == chosen.found.place for plugin in self.snapshot.plugins.values())
        is_known = listed or chosen.manifest is not None or chosen.problem is not None
        must_run = (plugin_id,) if is_known else ()
        return await self._change(world, sightings, actor, "install", must_run=must_run, retried=(plugin_id,))

    async def _take_copy(self, see: Callable[[], Sighting], wish: Wish, actor: str) -> Changed:
        seen = await self._aside(see)
        plugin_id = seen.stated_id
        world = draw_up(self._stage.world, self.snapshot.plugins.get(plugin_id), seen, wish)
        sightings = [*self._without(plugin_id), seen]
        # What asks for more than was approved is there, and waits.
        must_run = (plugin_id,) if is_approved(world, seen) else ()
        return await self._change(world, sightings, actor, "install", must_run=must_run)

    async def _uninstall(self, name: str, actor: str) -> Changed:
        plugin, world = self._one(name), self._stage.world
        if plugin.source == "builtin":
            raise Conflict(f"{plugin.id} comes with Jackfield: disable it instead", plugin=plugin.id)
        if world.entry(plugin.id).installed:
            entries = {name: entry for name, entry in world.entries.items() if name != plugin.id}
            return await self._change(World(entries), self._without(plugin.id), actor, "uninstall")
        plugin.ends = True
        world = world.with_entry(plugin.id, enabled=False, config={}, approved=None)
        return await self._change(world, self._stage.sightings, actor, "uninstall")

    async def _approve(self, name: str, permissions: tuple[str, ...], actor: str) -> Changed:
        plugin = self._one(name)
        strange = [permission for permission in permissions if permission not in plugin.asked]
        asked = await self._asked_on_disk(plugin) if strange else ()
        for permission in strange:
            if permission not in asked:
                check_known(permission)
                raise Unprocessable(f"{plugin.id} does not ask for {permission!r}", param="approve")
        refuse_overridden(plugin, permissions)
        world = self._stage.world.with_entry(plugin.id, approved=tuple(sorted(set(permissions))))
        return await self._change(world, self._stage.sightings, actor, "approve")

    async def _asked_on_disk(self, plugin: LoadedPlugin) -> tuple[str, ...]:
        """What the version asks for that waits on the disk: it is approved before it is taken in."""
        here = next((one for one in await self._look() if one.found.place == plugin.place), None)
        return here.manifest.permissions if here is not None and here.manifest is not None else ()

    async def _rollback(self, actor: str) -> Changed:
        target, world = await self._find_target()
        # Who had no calls yet has none in what is kept of it.
        unused = {name: PluginStats() for name in self.snapshot.plugins}
        restored = unused | {name: PluginStats.thaw(frozen) for name, frozen in target.stats.items()}
        return await self._change(
            world,
            await self._as_kept(world),
            actor,
            f"rollback to {target.number}",
            stats=restored,
            goes_back_to=target.goes_back_to,
        )

    async def _find_target(self) -> tuple[Generation, World]:
        """The nearest earlier generation that was another world. Raises `Conflict` where there is none."""
        back = self._stage.goes_back_to
        while back is not None and (target := await self._generations.get(back)) is not None:
            world = roll_back(self._stage.world, decode(target.body))
            if world != self._stage.world:
                return target, world
            back = target.goes_back_to
        raise Conflict("there is no earlier generation to go back to")

    async def _catch_up(self) -> None:
        """Each change goes on from the newest generation, also where another worker has just made it."""
        if await self._generations.latest_number() == self.snapshot.generation:
            return
        latest = await self._generations.latest()
        if latest is None:
            return
        world = decode(latest.body)
        await self._stage.take_over(latest, world, await self._restored(world))

    async def _as_kept(self, world: World) -> list[Sighting]:
        """What the world runs, from its copies: edits on the disk that nobody has taken in stay out. What is wrong in
        itself has no copy and stays as it is."""
        now = self._stage.sightings
        wrong = [one for one in now if one.code is None and one.problem is not None]
        order = {one.found.place: rank for rank, one in enumerate(now)}
        return sorted([*await self._restored(world), *wrong], key=lambda one: order.get(one.found.place, -1))

    async def _restored(self, world: World) -> list[Sighting]:
        return await self._aside(lambda: self._surveyor.restore(world.entries))

    async def _change(self, world: World, sightings: list[Sighting], actor: str, action: str, **more: Any) -> Changed:
        draft = Draft(world=world, sightings=sightings, actor=actor, action=action, **more)
        changed = await self._stage.change(draft)
        if changed.changed:
            self._surveyor.sealed.settle((), taken=True)
            await self._tidy()
        return changed

    async def _alone(self, work: Coroutine[Any, Any, T]) -> T:
        async def wait_for_turn() -> T:
            async with self._changing:
                try:
                    await self._catch_up()
                    return await work
                finally:
                    await self._drop_copies()

        task = self._own(wait_for_turn(), "plugin-change")
        task.add_done_callback(lambda _: work.close())
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            asking = asyncio.current_task()
            if not task.cancelled() or (asking is not None and asking.cancelling()):
                raise
            if self._stopping:
                raise Unavailable("the gateway is stopping: nothing has changed") from None
            raise Conflict("a plugin broke off the change by cancelling its task") from None

    def _own(self, work: Coroutine[Any, Any, T], name: str) -> asyncio.Task[T]:
        task = asyncio.create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def _drop_copies(self) -> None:
        """A refused change leaves no copies behind; one that was taken has settled them before."""
        sealed = self._surveyor.sealed
        if sealed.has_fresh:
            try:
                used = await self._stage.digests_in_use()
            except JackfieldError:
                return  # nobody can tell now what is in use: the next change tidies up
            await self._aside(lambda: sealed.settle(used, taken=False))

    async def _aside(self, call: Callable[[], T]) -> T:
        try:
            return await run_aside(call, SURVEY_S)
        except TimeoutError as error:
            raise Unavailable(f"the disk with the plugins did not answer within {SURVEY_S:g} s") from error

    async def _look(self) -> list[Sighting]:
        return await self._aside(self._surveyor.look)

    async def _tidy(self) -> None:
        """Lets go of code that no generation names any more. The change is done: that this fails does not undo it."""
        try:
            used = await self._stage.digests_in_use()
            await self._aside(lambda: self._surveyor.sealed.forget_all_but(used))
        except (JackfieldError, OSError) as error:
            log.warning("old_code_not_removed", reason=str(error))

    def _unchanged(self) -> Changed:
        return Changed(self.snapshot.generation, False)

    def _known_on_disk(self) -> dict[str, tuple[str | None, str | None]]:
        """What was there when it was last taken in, by place. What is installed stands nowhere; what a rollback holds
        back is known."""
        entries = self._stage.world.entries
        known = {
            one.found.place: (one.digest, one.problem)
            for one in self._stage.sightings
            if not entries.get(self._id_of(one), NOTHING).installed
        }
        for hold in (entry.hold for entry in entries.values() if entry.hold is not None):
            known.pop(hold.place, None)
            known |= {hold.place: (hold.disk, None)} if hold.disk is not None else {}
        return known

    def _without(self, plugin_id: str) -> list[Sighting]:
        return [one for one in self._stage.sightings if self._id_of(one) != plugin_id]

    def _id_of(self, seen: Sighting) -> str:
        """The id of what stands there, also where only its code could tell."""
        if seen.manifest is None:
            for plugin in self.snapshot.plugins.values():
                if plugin.place == seen.found.place:
                    return plugin.id
        return seen.stated_id

    def _sighting(self, name: str, seen: list[Sighting]) -> Sighting:
        """What `name` means on the disk. Raises `NotFound`."""
        for one in seen:
            if name in (self._id_of(one), one.found.name, one.manifest.name if one.manifest else None):
                return one
        for one in seen:
            if name in one.found.aliases:
                return one
        place = self.find(name).place
        here = next((one for one in seen if one.found.place == place), None)
        if here is None:
            raise NotFound(f"The plugin {name[:100]!r} is not on the disk any more")
        return here

    def _warn_of_strangers(self) -> None:
        plugins = self.snapshot.plugins
        known = {name for plugin in plugins.values() for name in (plugin.id, plugin.found.name, *plugin.found.aliases)}
        for name in self._configured:
            if name not in known:
                close = difflib.get_close_matches(name, plugins, n=1)
                log.warning(
                    "config_without_plugin", section=f"plugins.config.{name}", nearest=close[0] if close else None
                )


async def _nothing() -> None:
    """The change of one that only catches up."""
