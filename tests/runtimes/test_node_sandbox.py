"""What a hostile plugin tries. Each attempt runs in a real process, and fails there."""

from __future__ import annotations

import asyncio
import os
import re
import socket
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from tests.runtimes.conftest import StartNode

from jackfield.errors import SessionDenied, SessionLost
from jackfield.runtimes.launch import LAYERS
from jackfield.runtimes.limits import Limits
from jackfield.runtimes.node import NodeSession

REFUSED = re.compile(
    r"ERR_ACCESS_DENIED|EACCES|EPERM|ENOENT|restricted|no network|ENETUNREACH|EAI_AGAIN|ENOTFOUND|ENOSYS|EINVAL"
    r"|ERR_DLOPEN_DISABLED|unable to open database|system error 13"
)


@pytest.fixture
async def session(start_node: StartNode) -> NodeSession:
    return await start_node()


@pytest.fixture
async def listening() -> AsyncIterator[tuple[int, list[int]]]:
    """A port of this machine, and how many came."""
    came: list[int] = []
    server = await asyncio.start_server(lambda reader, writer: (came.append(1), writer.close()), "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1], came


async def attempt(session: NodeSession, code: str) -> Any:
    """The result of `code`, or the error's code and words."""
    wrapped = f"try {{ {code} }} catch (error) {{ return `refused: ${{error.code}} ${{error.message}}`; }}"
    return await session.call("run", wrapped, deadline_s=5)


async def test_all_layers_are_active_and_told(session: NodeSession) -> None:
    assert session.diagnose().layers == (*LAYERS, "node_permission")


READS = {
    "a file": "return (await import('node:fs')).readFileSync('/etc/passwd', 'utf8')",
    "a file by promise": "return await (await import('node:fs/promises')).readFile('/etc/hostname', 'utf8')",
    "a folder": "return (await import('node:fs')).readdirSync('/')",
    "its parent": "return (await import('node:fs')).readdirSync('..')",
    "the host's environment": "return (await import('node:fs')).readFileSync(`/proc/${process.ppid}/environ`, 'utf8')",
    "the host's memory": "return (await import('node:fs')).openSync(`/proc/${process.ppid}/mem`, 'r')",
    "the host's descriptors": "return (await import('node:fs')).readdirSync(`/proc/${process.ppid}/fd`)",
    "through a relative path": "return (await import('node:fs')).readFileSync('../../../../../../etc/passwd', 'utf8')",
    "a module elsewhere": "return Object.keys(await import('/etc/passwd'))",
    "by require": "return process.getBuiltinModule('module').createRequire('/tmp/x.js')('/etc/hostname')",
    "a data base": """const { DatabaseSync } = await import('node:sqlite');
        return new DatabaseSync('/etc/passwd').exec('select 1')""",
    "a device": "return (await import('node:fs')).openSync('/dev/kmsg', 'r')",
}
WRITES = {
    "into its folder": "return (await import('node:fs')).writeFileSync(rpc.folder + '/new', 'x')",
    "over itself": "return (await import('node:fs')).appendFileSync(rpc.folder + '/index.ts', 'x')",
    "elsewhere": "return (await import('node:fs')).writeFileSync('/tmp/jackfield-escaped', 'x')",
    "a folder": "return (await import('node:fs')).mkdirSync(rpc.folder + '/made')",
    "a link": "return (await import('node:fs')).symlinkSync('/etc/passwd', rpc.folder + '/link')",
    "a temporary folder": "return (await import('node:fs')).mkdtempSync((await import('node:os')).tmpdir() + '/x')",
    "its own worker": "return (await import('node:fs')).writeFileSync(process.argv[1], 'x')",
    "a heap snapshot": "return (await import('node:v8')).writeHeapSnapshot(rpc.folder + '/heap')",
    "a report": "return process.report.writeReport('report.json')",
}
PROCESSES = {
    "a shell": "return String((await import('node:child_process')).execSync('id'))",
    "node": "return (await import('node:child_process')).spawnSync(process.execPath, ['-v']).error ?? 'ran'",
    "a fork": "return (await import('node:child_process')).fork(process.argv[1]).pid",
    "a worker": "const { Worker } = await import('node:worker_threads'); new Worker('1', { eval: true }); return 'ran'",
    "a cluster": "return (await import('node:cluster')).default.fork().id",
    "the binding of it": "return process.binding('spawn_sync').spawn({ file: '/bin/id', args: ['id'], stdio: [] })",
    "an addon": "return process.dlopen({ exports: {} }, '/lib/x86_64-linux-gnu/libc.so.6')",
    "its host's end": "return process.kill(process.ppid, 'SIGCONT')",
    "a look whether its host lives": "return process.kill(process.ppid, 0)",
    "everybody's end": "return process.kill(-1, 0)",
    "init's end": "return process.kill(1, 0)",
    "a debugger on its host": "return process._debugProcess(process.ppid)",
    "an inspector": "return (await import('node:inspector')).open(0)",
    "its host's priority": "return (await import('node:os')).setPriority(process.ppid, 19)",
    "another user": "return process.setuid(0)",
    "another folder": "process.chdir('/etc'); return String((await import('node:fs')).readdirSync('.'))",
    "wasi": """const { WASI } = await import('node:wasi');
        return String(new WASI({ version: 'preview1', preopens: { '/': '/' } }))""",
}


async def allowed(session: NodeSession, attempts: Mapping[str, str]) -> dict[str, Any]:
    """Those that were not refused."""
    told = {name: str(await attempt(session, code)) for name, code in attempts.items()}
    return {name: words for name, words in told.items() if not REFUSED.search(words)}


async def test_it_reads_nothing_but_its_folder(session: NodeSession) -> None:
    assert await allowed(session, READS) == {}


async def test_it_writes_nothing(session: NodeSession, tmp_path: Path) -> None:
    before = sorted(tmp_path.rglob("*"))
    assert await allowed(session, WRITES) == {}
    assert sorted(tmp_path.rglob("*")) == before
    assert not Path("/tmp/jackfield-escaped").exists()


async def test_it_starts_and_touches_no_process(session: NodeSession) -> None:
    pid, before = session.diagnose().pid, os.getpriority(os.PRIO_PROCESS, 0)
    assert await allowed(session, PROCESSES) == {}
    assert Path(f"/proc/{pid}/task/{pid}/children").read_text() == ""
    assert os.getpriority(os.PRIO_PROCESS, 0) == before
    assert session.diagnose().starts == 1


CONNECT = """
const net = await import('node:net');
return await new Promise((resolve) => net.connect(%s).on('connect', () => resolve('connected'))
  .on('error', (error) => resolve(error.code)));
"""
NETWORK = {
    "fetch": "return (await fetch('http://127.0.0.1:PORT/')).status",
    "http": """const { get } = await import('node:http');
        return await new Promise((resolve, reject) => get('http://127.0.0.1:PORT/', resolve).on('error', reject))""",
    "https": """const { get } = await import('node:https');
        return await new Promise((resolve, reject) => get('https://127.0.0.1:PORT/', resolve).on('error', reject))""",
    "tcp": CONNECT % "PORT, '127.0.0.1'",
    "tcp by IPv6": CONNECT % "PORT, '::ffff:127.0.0.1'",
    "tcp by name": CONNECT % "PORT, 'localhost'",
    "a unix socket": CONNECT % "'/var/run/docker.sock'",
    "an abstract socket": CONNECT % "'\\0jackfield-test'",
    "the worker's own socket class": """const { Socket } = await import('node:net');
        const socket = new Socket(); socket.connect(PORT, '127.0.0.1');
        return await new Promise((resolve) => socket.on('error', (error) => resolve(error.code)))""",
    "udp": """const dgram = await import('node:dgram'); const udp = dgram.createSocket('udp4');
        return await new Promise((resolve) => { udp.on('error', (error) => resolve(error.code));
          udp.send('x', PORT, '127.0.0.1', (error) => resolve(error?.code ?? 'sent')) })""",
    "a server": """const net = await import('node:net');
        return await new Promise((resolve) => net.createServer().on('error', (error) => resolve(error.code))
          .listen(0, () => resolve('listens')))""",
    "a server on a socket": """const net = await import('node:net');
        return await new Promise((resolve) => net.createServer().on('error', (error) => resolve(error.code))
          .listen(rpc.folder + '/socket', () => resolve('listens')))""",
    "a name": """const dns = await import('node:dns/promises'); return await dns.lookup('example.com')""",
    "a name by resolver": """const { Resolver } = await import('node:dns/promises');
        const resolver = new Resolver({ timeout: 200, tries: 1 });
        try { return await resolver.resolve4('example.com') } catch (error) {
          return error.code === 'ECONNREFUSED' ? 'EACCES' : error.code }""",
    "a web socket": "new WebSocket('ws://127.0.0.1:PORT'); return 'opened'",
    "its interfaces": """const os = await import('node:os');
        return Object.keys(os.networkInterfaces()).length || 'EACCES'""",
}


async def test_it_reaches_no_network(session: NodeSession, listening: tuple[int, list[int]]) -> None:
    port, came = listening
    assert await allowed(session, {name: code.replace("PORT", str(port)) for name, code in NETWORK.items()}) == {}
    assert not came


async def test_it_sees_no_environment_of_its_host(start_node: StartNode, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-very-secret")
    monkeypatch.setenv("NODE_OPTIONS", "--require /tmp/evil.js")
    session = await start_node()
    assert await attempt(session, "return { ...process.env }") == {
        "NODE_ENV": "production",
        "TZ": "UTC",
        "LANG": "C.UTF-8",
    }
    for place in ("environ", "cmdline"):
        seen = Path(f"/proc/{session.diagnose().pid}/{place}").read_bytes()
        assert b"secret" not in seen


async def test_it_inherits_nothing_but_its_socket_and_its_output(session: NodeSession) -> None:
    """Of the gateway's: its data base, its listening sockets, other plugins' sockets."""
    mine = {os.readlink(f"/proc/self/fd/{entry}") for entry in os.listdir("/proc/self/fd") if fd_is_open(entry)}
    folder = Path(f"/proc/{session.diagnose().pid}/fd")
    its = {entry.name: os.readlink(entry) for entry in folder.iterdir()}
    shared = {place for place in its.values() if place in mine and not place.startswith(("anon_inode:", "/dev/"))}
    assert shared <= {its["1"]}, shared
    assert its["3"].startswith("socket:")
    assert sum(place.startswith("socket:") for place in its.values()) == 1


def fd_is_open(name: str) -> bool:
    return Path(f"/proc/self/fd/{name}").is_symlink()


async def test_descriptors_of_others_are_not_to_be_had(session: NodeSession) -> None:
    code = """const fs = process.getBuiltinModule('fs'); const found = [];
      for (let fd = 4; fd < 256; fd++) { try { if (fs.fstatSync(fd).isSocket()) found.push(fd) } catch {} }
      return found"""
    assert await attempt(session, code) == []


async def test_what_it_writes_to_its_own_socket_harms_only_itself(session: NodeSession) -> None:
    call = session.call("run", "process.getBuiltinModule('fs').writeSync(3, 'garbage'.repeat(9))", deadline_s=5)
    with pytest.raises((SessionLost, SessionDenied)) as caught:
        await call
    assert "did not keep to the protocol" in str(caught.value)


async def test_to_close_its_socket_is_its_own_end(session: NodeSession) -> None:
    call = session.call("run", "process.getBuiltinModule('fs').closeSync(3); return 1", deadline_s=5)
    with pytest.raises((SessionLost, SessionDenied)):
        await call


async def test_it_cannot_take_the_users_of_others(start_node: StartNode) -> None:
    """A call's id of another plugin's session means nothing in this one."""
    session = await start_node()
    code = """const { Socket } = process.getBuiltinModule('net');
      const body = Buffer.from(JSON.stringify([0, 4242, 9999, 'who', null]));
      const head = Buffer.alloc(4); head.writeUInt32BE(body.length);
      const own = process._getActiveHandles().find((handle) => handle instanceof Socket && handle._handle?.fd === 3);
      own.write(Buffer.concat([head, body])); return 'written'"""
    assert await session.call("run", code, deadline_s=5) in ("written", None)
    assert await session.call("ask", {"method": "who"}, deadline_s=2) == [None, None]


async def test_its_scratch_folder_is_all_that_it_writes(start_node: StartNode, tmp_path: Path) -> None:
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    session = await start_node(Limits(file_mb=1), scratch=scratch)
    write = """const fs = await import('node:fs');
      fs.writeFileSync(rpc.scratch + '/a', %s); return fs.readdirSync(rpc.scratch)"""
    assert await attempt(session, write % "'x'") == ["a"]
    assert (scratch / "a").read_text() == "x"
    assert (scratch / "a").stat().st_uid == os.getuid()
    outside = "(await import('node:fs')).writeFileSync(rpc.scratch + '/../b', 'x')"
    assert REFUSED.search(await attempt(session, outside))
    too_large = await attempt(session, write % "Buffer.alloc(2 * 1024 * 1024)")
    assert "EFBIG" in too_large


async def test_a_minimum_that_can_be_had_is_kept(start_node: StartNode) -> None:
    session = await start_node(minimum=("landlock", "seccomp"))
    assert session.diagnose().state == "running"


async def test_the_process_has_no_rights_and_is_not_who_we_are(session: NodeSession) -> None:
    status = dict(
        line.split(":\t", 1) for line in Path(f"/proc/{session.diagnose().pid}/status").read_text().splitlines()
    )
    for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"):
        assert int(status[name], 16) == 0, name
    assert status["NoNewPrivs"] == "1"
    assert status["Seccomp"] == "2"
    assert os.readlink(f"/proc/{session.diagnose().pid}/ns/net") != os.readlink("/proc/self/ns/net")


async def test_a_socket_of_ours_by_its_name_is_not_reached(session: NodeSession, tmp_path: Path) -> None:
    """Not even one in its own folder."""
    path = next(tmp_path.iterdir()) / "s"
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(path))
        server.listen()
        server.setblocking(False)
        assert REFUSED.search(str(await attempt(session, CONNECT % repr(str(path)))))
        with pytest.raises(BlockingIOError):
            server.accept()


@pytest.mark.parametrize(
    "code",
    [
        "return await fetch('https://example.com')",
        "await new Promise((_, no) => process.getBuiltinModule('https').get('https://example.com').on('error', no))",
        "await process.getBuiltinModule('dns').promises.lookup('example.com')",
    ],
)
async def test_who_tries_the_network_is_told_of_the_way_out(session: NodeSession, code: str) -> None:
    assert re.search("no network of their own: use `http`", str(await attempt(session, code)))
