"""From a lock to a folder of packages: made once, whole or not at all."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from pathlib import Path

import pytest
from tests.runtimes.isolated_env.wheels import digest_of, make_plugin, make_wheel, write_lock

from jackfield.clock import SystemClock
from jackfield.errors import ConfigError
from jackfield.runtimes.isolated import environments
from jackfield.runtimes.isolated.environments import Environment, environment_for, sweep_environments
from jackfield.runtimes.isolated.supply import Supply

OFFLINE = Supply(offline=True, environ={}, deadline_s=20)
CLOCK = SystemClock()


class Clock(SystemClock):
    def __init__(self, wall: float) -> None:
        self.now = wall

    def wall(self) -> float:
        return self.now


async def make(folder: Path, data: Path, supply: Supply = OFFLINE) -> Environment:
    environment = await environment_for(folder, data, CLOCK, supply)
    assert environment is not None
    return environment


def run(environment: Environment, code: str) -> str:
    """As a guest is run: its packages first, and no `site`."""
    program = f"import sys; sys.path.insert(0, {str(environment.site_packages)!r}); {code}"
    return subprocess.run([sys.executable, "-I", "-S", "-c", program], capture_output=True, text=True).stdout.strip()


async def test_what_is_locked_can_be_imported(tmp_path: Path) -> None:
    environment = await make(make_plugin(tmp_path / "plugin"), tmp_path / "data")
    assert run(environment, "import demo; print(demo.VERSION, demo.__cached__)").startswith("1.0 ")
    assert environment.packages == ("demo 1.0",)
    assert environment.read == (environment.site_packages,)
    assert environment.site_packages.is_relative_to(tmp_path / "data" / "environments" / environment.digest)
    code = "from importlib.metadata import version; print(version('demo'))"
    assert run(environment, code) == "1.0"


async def test_it_is_compiled_once_for_all_starts(tmp_path: Path) -> None:
    environment = await make(make_plugin(tmp_path / "plugin"), tmp_path / "data")
    compiled = environment.site_packages / "__pycache__" / f"demo.{sys.implementation.cache_tag}.pyc"
    # The flags of one that is never compared with its source.
    assert compiled.read_bytes()[4:8] == b"\1\0\0\0"
    assert str(environment.site_packages / "demo.py").encode() in compiled.read_bytes()


async def test_a_plugin_without_a_lock_needs_none(tmp_path: Path) -> None:
    assert await environment_for(tmp_path, tmp_path / "data", CLOCK, OFFLINE) is None
    tmp_path.joinpath("requirements.txt").write_text("# nothing\n\n")
    assert await environment_for(tmp_path, tmp_path / "data", CLOCK, OFFLINE) is None
    assert not (tmp_path / "data").exists()


async def test_the_same_lock_is_one_environment(tmp_path: Path) -> None:
    one = make_plugin(tmp_path / "one")
    other = tmp_path / "other"
    other.mkdir()
    # As another tool would write it, and without wheels: what it needs is there.
    text = f"# made by hand\ndemo == 1.0 --hash=sha256:{digest_of(next((one / 'wheels').iterdir()))}"
    (other / "requirements.txt").write_text(text)
    first = await make(one, tmp_path / "data")
    made = (first.site_packages / "demo.py").stat().st_ino
    assert await make(other, tmp_path / "data") == first
    assert (first.site_packages / "demo.py").stat().st_ino == made


async def test_another_lock_is_another_one(tmp_path: Path) -> None:
    one = await make(make_plugin(tmp_path / "one"), tmp_path / "data")
    other = await make(make_plugin(tmp_path / "other", version="1.1"), tmp_path / "data")
    assert one.digest != other.digest
    assert (run(one, "import demo; print(demo.VERSION)"), run(other, "import demo; print(demo.VERSION)")) == (
        "1.0",
        "1.1",
    )


async def test_two_at_once_make_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder, unpacked = make_plugin(tmp_path / "plugin"), []
    unpack = environments.unpack_wheel
    monkeypatch.setattr(environments, "unpack_wheel", lambda *args: (unpacked.append(args), unpack(*args)))
    found = await asyncio.gather(*(make(folder, tmp_path / "data") for _ in range(4)))
    assert len(set(found)) == len(unpacked) == 1
    entries = {entry.name for entry in (tmp_path / "data" / "environments").iterdir()}
    assert entries == {found[0].digest, f"{found[0].digest}.lock"}


async def test_it_is_never_written_again(tmp_path: Path) -> None:
    environment = await make(make_plugin(tmp_path / "plugin"), tmp_path / "data")
    for path in (environment.site_packages.parent, *environment.site_packages.parent.rglob("*")):
        assert path.stat().st_mode & 0o222 == 0, path


async def test_a_crash_in_the_middle_leaves_nothing_that_is_taken_for_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, data = make_plugin(tmp_path / "plugin"), tmp_path / "data"
    with monkeypatch.context() as patch:
        # As a process that ends at once: nothing is tidied up.
        patch.setattr(environments, "_remove", lambda folder: None)
        patch.setattr(environments, "_seal", lambda *args: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            await make(folder, data)
    (half,) = (entry for entry in (data / "environments").iterdir() if entry.is_dir())
    assert half.name.startswith(".")
    environment = await make(folder, data)
    assert run(environment, "import demo; print(demo.VERSION)") == "1.0"
    assert await sweep_environments(data, {environment.digest}, CLOCK) == ()
    assert not half.exists()


async def test_what_fails_leaves_nothing(tmp_path: Path) -> None:
    folder, data = make_plugin(tmp_path / "plugin", files={"x.pth": "import os"}), tmp_path / "data"
    with pytest.raises(ConfigError):
        await make(folder, data)
    assert list((data / "environments").iterdir()) == []


@pytest.mark.parametrize("harm", ["cut", "added", "removed", "link", "record"])
async def test_one_that_is_not_as_it_was_made_is_made_anew(tmp_path: Path, harm: str) -> None:
    folder, data = make_plugin(tmp_path / "plugin"), tmp_path / "data"
    environment = await make(folder, data)
    site = environment.site_packages
    for place in (site, site.parent):
        place.chmod(0o755)
    module = site / "demo.py"
    module.chmod(0o644)
    match harm:
        case "cut":
            module.write_text("")
        case "added":
            (site / "evil.pth").write_text("import evil")
        case "removed":
            module.unlink()
        case "link":
            (site / "other").symlink_to("/etc")
        case _:
            (site.parent / "environment.json").unlink()
    again = await make(folder, data)
    assert again == environment
    assert sorted(path.name for path in site.iterdir()) == ["__pycache__", "demo-1.0.dist-info", "demo.py"]
    assert run(again, "import demo; print(demo.VERSION)") == "1.0"


async def test_who_is_cancelled_leaves_nothing_and_lets_others_go_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, data = make_plugin(tmp_path / "plugin"), tmp_path / "data"
    entered, waits = asyncio.Event(), asyncio.Event()

    async def stand_still(site: Path, later: Path) -> None:
        entered.set()
        await waits.wait()

    with monkeypatch.context() as patch:
        patch.setattr(environments, "_compile", stand_still)
        task = asyncio.create_task(make(folder, data))
        await entered.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    assert list((data / "environments").iterdir()) == []
    assert (await make(folder, data)).packages == ("demo 1.0",)


async def test_it_is_waited_for_no_longer_than_the_deadline(tmp_path: Path) -> None:
    folder, data = make_plugin(tmp_path / "plugin"), tmp_path / "data"
    digest = (await make(folder, data)).digest
    held = environments._try_hold(data / "environments" / f"{digest}.lock")
    assert held is not None
    with pytest.raises(ConfigError, match=r"was not there within 0\.1 s"):
        await make(folder, data, Supply(offline=True, environ={}, deadline_s=0.1))
    os.close(held)


async def test_native_modules_are_told_of(tmp_path: Path) -> None:
    files = {"fast/_core.cpython-311-x86_64-linux-gnu.so": b"\x7fELF", "fast.libs/libz.so.1.2": b"\x7fELF"}
    environment = await make(make_plugin(tmp_path / "plugin", name="fast", files=files), tmp_path / "data")
    assert set(environment.native) == set(files)


async def test_packages_share_a_namespace(tmp_path: Path) -> None:
    """Also where each brings the same file, as packages made by older tools do."""
    folder = tmp_path / "plugin"
    shared = {"acme/__init__.py": "__path__ = __import__('pkgutil').extend_path(__path__, __name__)\n"}
    wheels = [
        make_wheel(folder / "wheels", name, files=shared | {f"acme/{name}.py": "HERE = True"}) for name in ("a", "b")
    ]
    write_lock(folder, *wheels)
    environment = await make(folder, tmp_path / "data")
    assert run(environment, "import acme.a, acme.b; print(acme.b.HERE)") == "True"


async def test_what_does_not_compile_is_left_to_who_imports_it(tmp_path: Path) -> None:
    files = {"good.py": "x = 1", "bad.py": "def ("}
    environment = await make(make_plugin(tmp_path / "plugin", files=files), tmp_path / "data")
    assert run(environment, "import good; print(good.x)") == "1"


async def test_unused_ones_are_swept_after_a_grace(tmp_path: Path) -> None:
    data = tmp_path / "data"
    old = await make(make_plugin(tmp_path / "old"), data)
    kept = await make(make_plugin(tmp_path / "kept", version="1.1"), data)
    now = (data / "environments" / f"{old.digest}.lock").stat().st_mtime
    assert await sweep_environments(data, {kept.digest}, Clock(now + 99), grace_s=100) == ()
    assert await sweep_environments(data, {kept.digest}, Clock(now + 101), grace_s=100) == (old.digest,)
    entries = {entry.name for entry in (data / "environments").iterdir()}
    assert entries == {kept.digest, f"{kept.digest}.lock"}


async def test_to_use_one_keeps_it(tmp_path: Path) -> None:
    folder, data = make_plugin(tmp_path / "plugin"), tmp_path / "data"
    digest = (await make(folder, data)).digest
    start = (data / "environments" / f"{digest}.lock").stat().st_mtime
    await environment_for(folder, data, Clock(start + 90), OFFLINE)
    assert await sweep_environments(data, (), Clock(start + 150), grace_s=100) == ()


async def test_one_that_is_being_made_is_not_swept(tmp_path: Path) -> None:
    place = tmp_path / "environments"
    (place / ".abc-half").mkdir(parents=True)
    held = environments._try_hold(place / "abc.lock")
    assert held is not None
    await sweep_environments(tmp_path, (), Clock(1e12))
    assert (place / ".abc-half").exists()
    os.close(held)
    await sweep_environments(tmp_path, (), Clock(1e12))
    assert sorted(place.iterdir()) == []
