"""Workers that end, and workers that cannot start."""

from __future__ import annotations

import os
import signal
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from jackfield.errors import ConfigError, Unavailable
from jackfield.server import supervisor
from jackfield.server.listening import listen
from jackfield.server.supervisor import Place, Supervisor

WITHIN_S = 10

# The process that runs the tests may have threads, which the gateway's own has not.
pytestmark = pytest.mark.filterwarnings("ignore:.*use of fork:DeprecationWarning")


@pytest.fixture
def sockets() -> Iterator[list[socket.socket]]:
    made = listen("127.0.0.1", 0, 2)
    yield made
    for each in made:
        each.close()


@pytest.fixture(autouse=True)
def bounded() -> Iterator[None]:
    def give_up(*_: object) -> None:
        raise TimeoutError(f"still running after {WITHIN_S} s")

    before = signal.signal(signal.SIGALRM, give_up)
    signal.alarm(WITHIN_S)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


def nothing() -> None:
    return


def wait_for_orders() -> None:
    signal.sigwait({signal.SIGTERM})


def work_until_told(place: Place) -> None:
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    place.report_up()
    wait_for_orders()


def stop() -> None:
    os.kill(os.getpid(), signal.SIGTERM)


def test_it_tells_when_all_are_up_and_ends_when_told(sockets: list[socket.socket]) -> None:
    told: list[str] = []

    def came_up() -> None:
        told.append("up")
        stop()

    Supervisor(sockets, work_until_told, 1).run(came_up)
    assert told == ["up"]


def test_a_worker_that_cannot_start_is_the_end_with_its_own_words(sockets: list[socket.socket]) -> None:
    def work(place: Place) -> None:
        if place.number == 1:
            raise ConfigError("there is no provider 'x'", field="upstream a.provider")
        work_until_told(place)

    with pytest.raises(ConfigError, match=r"^upstream a\.provider: there is no provider 'x'$"):
        Supervisor(sockets, work, 1).run(nothing)


@pytest.mark.parametrize(
    ("end", "told"), [(lambda: os._exit(7), "code 7"), (lambda: os.kill(os.getpid(), 9), "signal 9")]
)
def test_a_worker_that_dies_before_it_serves_is_the_end_too(
    sockets: list[socket.socket], end: object, told: str
) -> None:
    with pytest.raises(Unavailable, match=told):
        Supervisor(sockets, lambda place: end(), 1).run(nothing)  # type: ignore[operator]


def test_a_successor_that_cannot_start_is_tried_again_while_another_serves(
    sockets: list[socket.socket], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervisor, "PAUSES_S", (0.0, 0.02))
    tries = tmp_path / "tries"

    def work(place: Place) -> None:
        if place.number == 0:
            work_until_told(place)
            return
        with tries.open("a") as file:
            file.write("x")
        count = len(tries.read_text())
        if count in (2, 3):
            raise ConfigError("the plugin folder is gone")
        place.report_up()
        if count == 1:
            os._exit(1)
        os.kill(os.getppid(), signal.SIGTERM)
        signal.pause()

    Supervisor(sockets, work, 1).run(nothing)
    assert tries.read_text() == "xxxx"


def test_it_ends_when_none_is_left_that_serves(sockets: list[socket.socket], tmp_path: Path) -> None:
    def work(place: Place) -> None:
        mark = tmp_path / str(place.number)
        if mark.exists():
            raise ConfigError("the disk is full")
        mark.touch()
        place.report_up()
        place.listening.accept()

    def kill_all() -> None:
        for child in supervisor.multiprocessing.active_children():
            child.kill()

    with pytest.raises(Unavailable, match="the disk is full"):
        Supervisor(sockets, work, 1).run(kill_all)


def test_a_worker_that_does_not_end_is_killed(sockets: list[socket.socket], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervisor, "ENDING_S", 0.1)

    def work(place: Place) -> None:
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
        place.report_up()
        signal.pause()

    Supervisor(sockets, work, 0).run(stop)
    assert not supervisor.multiprocessing.active_children()
