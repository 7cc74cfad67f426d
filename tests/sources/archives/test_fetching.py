"""What is fetched comes from where the operator allows, and no more of it than they allow."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from jackfield.errors import EgressRefused, NotFound, TooLarge, Unprocessable, UpstreamBroken
from jackfield.sources.archives.fetching import Fetcher, read_file, show_url
from parcels import Answers, answer, serve

NAMED = ("127.0.0.1",)


async def test_the_machine_itself_is_asked_where_it_is_named() -> None:
    async with serve(lambda _: {"/it": answer(b"hello")}) as url:
        assert await Fetcher(NAMED, 100).fetch(f"{url}/it") == b"hello"
        with pytest.raises(EgressRefused, match=r"only https, and http to the machine itself where install\.hosts"):
            await Fetcher((), 100).fetch(f"{url}/it")
        with pytest.raises(UpstreamBroken, match="answered with the status 404"):
            await Fetcher(NAMED, 100).fetch(f"{url}/other")


async def test_no_more_is_read_than_there_is_room_for() -> None:
    async with serve(lambda _: {"/it": answer(b"x" * 101)}) as url:
        with pytest.raises(UpstreamBroken, match="larger than max_body_bytes = 100"):
            await Fetcher(NAMED, 100).fetch(f"{url}/it")


async def test_redirects_are_followed_where_each_step_is_allowed() -> None:
    def answers(url: str) -> Answers:
        return {
            "/step": answer(b"", "302 Found", location="/it"),
            "/it": answer(b"hello"),
            "/round": answer(b"", "302 Found", location="/round"),
            "/inwards": answer(b"", "302 Found", location="https://169.254.169.254/latest"),
            "/file": answer(b"", "302 Found", location="file:///etc/passwd"),
            "/plain": answer(b"", "302 Found", location="http://shop.example/it"),
        }

    async with serve(answers) as url:
        fetcher = Fetcher(NAMED, 100)
        assert await fetcher.fetch(f"{url}/step") == b"hello"
        with pytest.raises(UpstreamBroken, match="the status 302"):
            await fetcher.fetch(f"{url}/round")
        for path, told in (("inwards", "link-local"), ("file", "only https"), ("plain", "only https")):
            with pytest.raises(EgressRefused, match=told):
                await fetcher.fetch(f"{url}/{path}")


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("http://shop.example/it", "only https"),
        ("ftp://shop.example/it", "only https"),
        ("http://127.0.0.1@shop.example/it", "only https"),
        ("https://10.0.0.1/it", "private"),
        ("https://[::1]/it", "loopback"),
        ("https://localhost/it", "local network"),
        ("https://user:word@shop.example/it", "user name or password"),
        ("https://[oops/it", "is not a URL"),
    ],
)
async def test_other_addresses_are_refused(url: str, told: str) -> None:
    with pytest.raises(EgressRefused, match=told):
        await Fetcher(("127.0.0.1", "shop.example"), 100).fetch(url)


def test_files_are_read_as_far_as_there_is_room(tmp_path: Path) -> None:
    file = tmp_path / "it"
    file.write_bytes(b"x" * 100)
    assert read_file(file, 100) == b"x" * 100
    with pytest.raises(TooLarge, match=r"larger than install\.max_mb allows"):
        read_file(file, 99)
    with pytest.raises(NotFound, match="No such file"):
        read_file(tmp_path / "absent", 1)


def test_what_never_ends_is_not_read(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for place in (tmp_path / "pipe", Path("/dev/zero")):
        with pytest.raises(Unprocessable, match="is not a regular file"):
            read_file(place, 100)


def test_what_may_be_secret_of_a_url_is_not_shown() -> None:
    assert show_url("https://user:word@shop.example/it?token=1#x") == "https://shop.example/it"
