"""The first line that a plugin prints, and what of it is believed."""

from __future__ import annotations

import base64
import hashlib
import socket
import ssl
from contextlib import suppress
from pathlib import Path

import pytest
from tests.runtimes.grpc.sessions import MakeGrpc

from jackfield.errors import ConfigError, SessionLost
from jackfield.runtimes.grpc.handshake import Address, HandshakeRefused, find_line, read_line, read_local
from jackfield.runtimes.grpc.program import GrpcProgram
from jackfield.runtimes.grpc.tls import client_context, make_certificate, server_context

CERTIFICATE = base64.b64encode(b"any certificate").decode().rstrip("=")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "plugin1"))
    return tmp_path


def test_the_line_is_found_among_words_for_people() -> None:
    assert find_line(b"") is None
    assert find_line(b"1|1|unix|/x|grpc|not whole") is None
    assert find_line(b'{"@level":"debug"}\n1|1|unix|/x|grpc|abc\r\n more\n') == "1|1|unix|/x|grpc|abc"


def test_what_a_plugin_says_is_read(folder: Path) -> None:
    shaken = read_line(f"1|1|unix|{folder}/plugin1|grpc|{CERTIFICATE}", folder)
    assert shaken.address == Address(f"{folder}/plugin1")
    assert shaken.certificate == b"any certificate"
    assert read_line(f"1|1|tcp|127.0.0.1:10001|grpc|{CERTIFICATE}|true", folder).address == Address("127.0.0.1", 10001)


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("hello", "its first line is no handshake: 'hello'"),
        ("2|1|unix|/x|grpc|a", "it speaks version 2 of the core protocol, and what is spoken here is 1"),
        ("1|7|unix|/x|grpc|a", "it speaks version 7 of the plugin protocol, and what is spoken here is 1"),
        ("1|1|unix|/x", "it speaks 'netrpc', and what is spoken here is grpc"),
        ("1|1|unix|/run/docker.sock|grpc|a", "there is no socket '/run/docker.sock' in the folder"),
        ("1|1|unix|{folder}/../plugin1|grpc|a", "there is no socket"),
        ("1|1|unix|{folder}/nothing|grpc|a", "there is no socket"),
        ("1|1|unix|{folder}/plugin1|grpc|", "it answered without a certificate"),
        ("1|1|unix|{folder}/plugin1|grpc|!", "its certificate is not base64"),
        ("1|1|tcp|10.0.0.1:80|grpc|a", "'10.0.0.1:80' is no port of this machine"),
        ("1|1|tcp|example.com:80|grpc|a", "is no port of this machine"),
        ("1|1|tcp|127.0.0.1:0|grpc|a", "is no port of this machine"),
        ("1|1|pipe|x|grpc|a", "an address of kind 'pipe'"),
    ],
)
def test_what_is_none_is_refused_with_the_reason(line: str, why: str, folder: Path) -> None:
    with pytest.raises(HandshakeRefused) as refused:
        read_line(line.replace("{folder}", str(folder)), folder)
    assert why in str(refused.value)


def test_a_port_of_this_machine() -> None:
    assert read_local("[::1]:80") == Address("::1", 80)
    with pytest.raises(HandshakeRefused):
        read_local("0.0.0.0:80")


def test_each_side_trusts_the_other_alone() -> None:
    host, plugin, stranger = make_certificate(), make_certificate(), make_certificate()
    assert shake(client_context(host, plugin.der), server_context(plugin, host.der)) == "h2"
    with pytest.raises(ssl.SSLError):
        shake(client_context(host, plugin.der), server_context(stranger, host.der))
    with pytest.raises(ssl.SSLError):
        shake(client_context(stranger, plugin.der), server_context(plugin, host.der))


def shake(client: ssl.SSLContext, server: ssl.SSLContext) -> str | None:
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    ends = [
        client.wrap_bio(to_client, to_server, server_hostname="localhost"),
        server.wrap_bio(to_server, to_client, server_side=True),
    ]
    for _ in range(6):
        for end in ends:
            try:
                end.do_handshake()
            except ssl.SSLWantReadError:
                continue
    with suppress(ssl.SSLWantReadError):
        ends[0].read(1)
    return ends[0].selected_alpn_protocol()


PROGRAMS = {
    "exit": ("exit 7", "it ended before it said where it listens: exit code 7"),
    "words": ("echo hello; exit 0", "it ended before it said where it listens: exit code 0"),
    "netrpc": ("echo '1|1|unix|/x|netrpc|'; sleep 5", "it speaks 'netrpc'"),
    "lies": ("echo '1|1|tcp|10.0.0.1:80|grpc|abcd'; sleep 5", "is no port of this machine"),
}


@pytest.mark.parametrize("name", PROGRAMS)
async def test_who_says_something_else_does_not_come_up(name: str, tmp_path: Path, make_grpc: MakeGrpc) -> None:
    script, why = PROGRAMS[name]
    session = make_grpc(program=GrpcProgram(command="/bin/sh", folder=tmp_path, args=("-c", script), read=("/bin",)))
    with pytest.raises(SessionLost, match="plugin weather could not be started: ") as lost:
        await session.start()
    assert why in str(lost.value)
    assert session.diagnose().state == "failed"


async def test_only_the_file_that_was_meant_is_started(tmp_path: Path, make_grpc: MakeGrpc) -> None:
    (tmp_path / "program").write_text("#!/bin/sh\nexit 7\n")
    right = hashlib.sha256((tmp_path / "program").read_bytes()).hexdigest()
    session = make_grpc(program=GrpcProgram(command="program", folder=tmp_path, sha256="0" * 64))
    with pytest.raises(SessionLost, match=f"program is not what it should be: its SHA-256 is {right}"):
        await session.start()
    session = make_grpc(program=GrpcProgram(command="program", folder=tmp_path, sha256=right, read=("/bin",)))
    with pytest.raises(SessionLost, match="exit code 7"):
        await session.start()


@pytest.mark.parametrize(
    ("command", "why"), [("nothing", "No such file"), ("../x", "leads out of the plugin's folder")]
)
async def test_a_program_that_is_not_there_is_named(
    command: str, why: str, tmp_path: Path, make_grpc: MakeGrpc
) -> None:
    session = make_grpc(program=GrpcProgram(command=command, folder=tmp_path))
    with pytest.raises(SessionLost, match=why):
        await session.start()


def test_the_gateways_own_variables_are_not_an_authors() -> None:
    with pytest.raises(ConfigError, match="PLUGIN_CLIENT_CERT is the gateway's to set"):
        GrpcProgram(command="x", folder=Path("/"), env={"PLUGIN_CLIENT_CERT": "x"})
