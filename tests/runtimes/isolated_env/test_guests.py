"""What an isolated plugin finds of its packages, in its sandbox."""

from __future__ import annotations

from pathlib import Path

from tests.runtimes.conftest import HERE, StartIsolated
from tests.runtimes.isolated_env.wheels import make_wheel, write_lock

from jackfield.clock import SystemClock
from jackfield.runtimes.isolated.environments import environment_for
from jackfield.runtimes.isolated.session import GuestProgram
from jackfield.runtimes.isolated.supply import Supply

# Of a package that the library needs as well, and that this test has no version of.
CODE = """
import demo, yaml, pathlib, importlib.metadata as metadata
told = [demo.VERSION, metadata.version("demo"), yaml.NAME]
for place in (pathlib.Path(demo.__file__), pathlib.Path(demo.__file__).parent / "new.py"):
    try: place.write_text("evil")
    except PermissionError: told.append("refused")
return [*told, "__pycache__" in str(demo.__cached__)]
"""


async def test_its_packages_come_before_the_librarys_and_cannot_be_written(
    tmp_path: Path, start_isolated: StartIsolated
) -> None:
    folder = tmp_path / "plugin"
    wheels = [
        make_wheel(folder / "wheels"),
        make_wheel(folder / "wheels", "pyyaml", files={"yaml.py": "NAME = 'its own'"}),
    ]
    write_lock(folder, *wheels)
    supply = Supply(offline=True, environ={}, deadline_s=20)
    environment = await environment_for(folder, tmp_path / "data", SystemClock(), supply)
    assert environment is not None
    program = GuestProgram(
        module="isolated_program", read=(HERE, *environment.read), path=(str(environment.site_packages), str(HERE))
    )
    session = await start_isolated(program=program)
    assert await session.call("run", CODE, deadline_s=5) == ["1.0", "1.0", "its own", "refused", "refused", True]
