"""Where the gateway listens."""

from __future__ import annotations

import socket

import pytest

from jackfield.errors import ConfigError
from jackfield.server.listening import listen, listen_beside, url_of


def test_workers_get_a_socket_each_at_one_address() -> None:
    sockets = listen("127.0.0.1", 0, 3)
    try:
        assert len({each.getsockname() for each in sockets}) == 1
        assert len({each.fileno() for each in sockets}) == 3
    finally:
        for each in sockets:
            each.close()


@pytest.mark.parametrize("count", [1, 2])
@pytest.mark.parametrize("theirs", [1, 2])
def test_an_address_in_use_is_refused_even_where_it_is_shared(count: int, theirs: int) -> None:
    others = listen("127.0.0.1", 0, theirs)
    port = others[0].getsockname()[1]
    try:
        with pytest.raises(ConfigError, match=rf"server\.port: cannot listen on 127\.0\.0\.1:{port}: Address"):
            listen("127.0.0.1", port, count)
    finally:
        for each in others:
            each.close()


def test_a_host_that_is_not_of_this_machine_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"cannot listen on 192\.0\.2\.1:0"):
        listen("192.0.2.1", 0)


def test_a_place_that_was_given_up_is_taken_again() -> None:
    first, second = listen("127.0.0.1", 0, 2)
    port = first.getsockname()[1]
    second.close()
    second = listen_beside("127.0.0.1", port)
    assert second.getsockname() == first.getsockname()
    first.close()
    second.close()


@pytest.mark.parametrize(("host", "url"), [("127.0.0.1", "http://127.0.0.1:{}"), ("::1", "http://[::1]:{}")])
def test_the_url_is_one_to_click_on(host: str, url: str) -> None:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as bound:
        bound.bind((host, 0))
        assert url_of(bound) == url.format(bound.getsockname()[1])
