"""Plugins reach the public internet and nothing else, however an address is written or resolved."""

from __future__ import annotations

import pytest
from scripted_peer import answer, sized

from conftest import MakeClient, Serve
from jackfield.errors import EgressRefused
from jackfield.transport import Deadlines, EgressPolicy, OutgoingRequest
from jackfield.transport.check import classify_address

PUBLIC = ["8.8.8.8", "1.1.1.1", "100.63.255.255", "100.128.0.0", "172.32.0.1", "2606:4700::1111"]
PUBLIC += ["::ffff:8.8.8.8", "64:ff9b::8.8.8.8", "2a00:1450:4001::5efe"]


class Names:
    """A resolver over a table."""

    def __init__(self, **table: tuple[str, ...]) -> None:
        self.table = table
        self.asked: list[str] = []

    async def resolve(self, host: str) -> tuple[str, ...]:
        self.asked.append(host)
        return self.table[host.partition(".")[0]]


@pytest.mark.parametrize("address", PUBLIC)
def test_public_addresses_are_public(address: str) -> None:
    assert classify_address(address) is None


@pytest.mark.parametrize(
    ("address", "kind"),
    [
        ("127.0.0.1", "loopback"),
        ("127.255.255.254", "loopback"),
        ("0.0.0.0", "this-network"),
        ("10.1.2.3", "private"),
        ("172.16.0.1", "private"),
        ("172.31.255.255", "private"),
        ("192.168.1.1", "private"),
        ("100.64.0.1", "carrier-grade NAT"),
        ("100.100.100.200", "carrier-grade NAT"),
        ("169.254.169.254", "link-local"),
        ("168.63.129.16", "cloud metadata"),
        ("192.0.0.192", "reserved"),
        ("192.0.2.1", "documentation"),
        ("198.18.0.1", "benchmarking"),
        ("198.51.100.7", "documentation"),
        ("203.0.113.9", "documentation"),
        ("224.0.0.1", "multicast"),
        ("239.255.255.255", "multicast"),
        ("240.0.0.1", "reserved"),
        ("255.255.255.255", "reserved"),
        ("::", "IPv4-compatible"),
        ("::1", "loopback"),
        ("::127.0.0.1", "IPv4-compatible"),
        ("::8.8.8.8", "IPv4-compatible"),
        ("::ffff:127.0.0.1", "loopback"),
        ("::ffff:a00:1", "private"),
        ("::ffff:169.254.169.254", "link-local"),
        ("64:ff9b::10.0.0.1", "private"),
        ("64:ff9b:1::8.8.8.8", "local NAT64"),
        ("2002:7f00:1::", "6to4"),
        ("2002:808:808::1", "6to4"),
        ("2001:0:4136:e378:8000:63bf:3fff:fdd2", "Teredo"),
        ("2001:10::1", "reserved"),
        ("2001:db8::1", "documentation"),
        ("3fff::1", "documentation"),
        ("fc00::1", "unique-local"),
        ("fd00:ec2::254", "unique-local"),
        ("fe80::1", "link-local"),
        ("fe80::1%eth0", "link-local"),
        ("2001:4860:4860::8888%eth0", "reserved"),
        ("fec0::1", "site-local"),
        ("ff02::1", "multicast"),
        ("100::1", "reserved"),
        ("4000::1", "reserved"),
        ("2a00:1450::5efe:7f00:1", "ISATAP"),
        ("2a00:1450::200:5efe:7f00:1", "ISATAP"),
        ("nonsense", "malformed"),
        ("127.1", "malformed"),
    ],
)
def test_everything_else_is_named_by_its_kind(address: str, kind: str) -> None:
    assert classify_address(address) == kind


async def refuse(make_client: MakeClient, url: str, policy: EgressPolicy, names: Names | None = None) -> str:
    client = make_client(policy=policy, resolver=names or Names())
    with pytest.raises(EgressRefused) as refused:
        await client.send(OutgoingRequest("GET", url), Deadlines())
    assert (refused.value.sent, client.stats().created) == (False, 0)
    return str(refused.value)


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "[::1]", "[::ffff:127.0.0.1]", "169.254.169.254", "[fd00:ec2::254]", "10.0.0.1."]
)
async def test_a_literal_address_is_refused_without_a_look_up(host: str, make_client: MakeClient) -> None:
    message = await refuse(make_client, f"http://{host}/", EgressPolicy.public_only())
    assert "not a public one" in message


async def test_a_name_that_resolves_inwards_is_refused(make_client: MakeClient) -> None:
    names = Names(inside=("127.0.0.1", "::1"))
    message = await refuse(make_client, "http://inside.example/?k=v", EgressPolicy.public_only(), names)
    assert message == "http://inside.example: ::1 is a loopback address, not a public one"


async def test_a_name_that_turns_inwards_later_is_refused_then(make_client: MakeClient) -> None:
    """Rebinding: a check of an earlier answer is worth nothing to the next connection."""
    names = Names(turning=())
    client = make_client(policy=EgressPolicy.public_only(), resolver=names)
    for _ in range(2):
        names.table["turning"] = ("10.0.0.7",)
        with pytest.raises(EgressRefused, match=r"10\.0\.0\.7"):
            await client.send(OutgoingRequest("GET", "http://turning.example/"), Deadlines())
    assert names.asked == ["turning.example"] * 2


async def test_only_listed_hosts_and_ports_are_reached(make_client: MakeClient) -> None:
    policy = EgressPolicy.public_only(allow_hosts=["api.example", "*.wide.example"], allow_ports=[443])
    assert "not on the list" in await refuse(make_client, "https://other.example/", policy)
    assert "not on the list" in await refuse(make_client, "https://wide.example/", policy)
    assert "not on the list" in await refuse(make_client, "https://notwide.example/", policy)
    assert "port 80" in await refuse(make_client, "http://api.example/", policy)
    inward = Names(api=("10.0.0.1",), a=("10.0.0.1",))
    assert "private" in await refuse(make_client, "https://API.example./", policy, inward)
    assert "private" in await refuse(make_client, "https://a.b.wide.example/", policy, inward)


async def test_the_connection_goes_to_the_address_that_was_checked(make_client: MakeClient, serve: Serve) -> None:
    server = await serve(answer(sized(b"here")))
    names = Names(up=("127.0.0.1",))
    client = make_client(resolver=names)
    answered = await client.send(OutgoingRequest("GET", f"http://up.example:{server.port}/"), Deadlines(connect_s=5))
    assert await answered.read() == b"here"
    assert answered.address == ("127.0.0.1", server.port)
    assert names.asked == ["up.example"]
    assert b"host: up.example:" in server.peers[0].requests[0]
