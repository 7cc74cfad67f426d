"""What a process over gRPC reaches: its own folder and its host, and no other socket, file or network."""

from __future__ import annotations

import asyncio
import socket
from pathlib import Path

import msgspec
import pytest
from tests.runtimes.grpc.adapted import PROGRAM
from tests.runtimes.grpc.sessions import StartGrpc

from jackfield.errors import ConfigError, SessionDenied, SessionLost
from jackfield.runtimes.grpc import child

LAYERS = {"rlimits", "user_namespace", "network_namespace", "mount_namespace", "no_capabilities", "no_new_privs",
          "landlock", "seccomp", "mutual_tls"}  # fmt: skip
CONNECT = "import socket\ns = socket.socket(socket.AF_UNIX)\ns.connect({!r})"
REFUSED = r"\[Errno (1|2|13|97)\]|Permission denied|No such file"


async def test_all_layers_are_up(start_grpc: StartGrpc) -> None:
    session = await start_grpc()
    assert set(session.diagnose().layers) - {"cgroup"} == LAYERS


async def test_it_reaches_nothing_but_its_host(start_grpc: StartGrpc, tmp_path: Path) -> None:
    session = await start_grpc()
    (tmp_path / "secret").write_text("secret")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "listener"))
        listener.listen()
        attempts = {
            "another's Unix socket": CONNECT.format(str(tmp_path / "listener")),
            "a network": "import socket\nsocket.socket(socket.AF_INET)",
            "a newer network": "import socket\nsocket.socket(socket.AF_INET6)",
            "the kernel's": "import socket\nsocket.socket(socket.AF_NETLINK, socket.SOCK_RAW)",
            "a file": f"open({str(tmp_path / 'secret')!r})",
            "its own program": "open('grpc_program.py', 'a')",
            "another process": "import os\nos.kill(1, 0)",
            "a program": "import os\nos.posix_spawn('/bin/sh', ['sh'], {})",
            "a mount": "import ctypes, os\nr = ctypes.CDLL(None, use_errno=True).umount2(b'/', 2)\n"
            "raise OSError(ctypes.get_errno(), 'umount') if r else SystemError",
        }
        for what, code in attempts.items():
            with pytest.raises(SessionDenied, match=REFUSED):
                await session.call("run", code, deadline_s=2)
            assert await session.call("echo", what, deadline_s=2) == what


async def test_its_environment_holds_what_it_was_given_and_no_more(
    start_grpc: StartGrpc, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret")
    program = msgspec.structs.replace(PROGRAM, env={"COLOUR": "green"})
    session = await start_grpc(program=program)
    found = await session.call("run", "import os\nreturn dict(os.environ)", deadline_s=2)
    assert found["COLOUR"] == "green"
    assert set(found) - {"LC_CTYPE"} == {
        "COLOUR", "HOME", "JACKFIELD_PLUGIN", "LANG", "PATH", "PLUGIN_CLIENT_CERT", "PLUGIN_MAX_PORT",
        "PLUGIN_MIN_PORT", "PLUGIN_PROTOCOL_VERSIONS", "PLUGIN_UNIX_SOCKET_DIR", "TMPDIR", "TZ",
    }  # fmt: skip


async def test_with_a_network_it_may_open_connections_and_still_reaches_no_other_socket(
    start_grpc: StartGrpc, tmp_path: Path
) -> None:
    session = await start_grpc(program=msgspec.structs.replace(PROGRAM, network=True))
    await session.call("run", "import socket\nsocket.socket(socket.AF_INET).close()", deadline_s=2)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "listener"))
        with pytest.raises(SessionDenied, match="No such file"):
            await session.call("run", CONNECT.format(str(tmp_path / "listener")), deadline_s=2)


async def test_only_its_own_process_can_use_what_is_listened_for_it(start_grpc: StartGrpc) -> None:
    """The gateway's own sockets have no name, and the one that has one asks for the plugin's certificate."""
    session = await start_grpc()
    code = "import os\nreturn [os.path.dirname(os.environ['HOME'])]"
    (root,) = await session.call("run", code, deadline_s=2)
    assert [place.name for place in Path(root, "private").iterdir()] == []
    services = Path(root, "host", "services")
    assert services.is_socket()
    assert await asyncio.to_thread(speak_without_certificate, services) in (b"", b"\x15")


def speak_without_certificate(place: Path) -> bytes:
    """What comes back first: the end, or an alert of TLS."""
    with socket.socket(socket.AF_UNIX) as stranger:
        stranger.settimeout(5)
        stranger.connect(str(place))
        stranger.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\0" * 64)
        try:
            return stranger.recv(1)
        except ConnectionError:
            return b""


async def test_a_group_that_is_demanded_and_cannot_be_made_is_refused(
    start_grpc: StartGrpc, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(child, "find_place", lambda: None)
    program = msgspec.structs.replace(PROGRAM, minimum=("cgroup",))
    with pytest.raises(SessionLost, match=r"cannot be had here: cgroup \(no group can be made\)"):
        await start_grpc(program=program)


def test_a_layer_that_there_is_none_of_is_refused() -> None:
    with pytest.raises(ConfigError, match="there is no layer moat of a sandbox"):
        msgspec.structs.replace(PROGRAM, minimum=("moat",))
