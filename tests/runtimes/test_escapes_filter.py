"""The filter of system calls on every machine that it is made for: what it says of the calls that tests on one machine
cannot make on another."""

from __future__ import annotations

import errno
import struct
from collections.abc import Callable, Mapping

import pytest

from jackfield.runtimes.launcher import seccomp

ALLOWED, REFUSED = 0x7FFF0000, 0x00050000
MACHINES = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
TESTS: Mapping[int, Callable[[int, int], bool]] = {
    0x15: lambda held, value: held == value,
    0x35: lambda held, value: held >= value,
    0x45: lambda held, value: bool(held & value),
}


class Filter:
    """As the kernel runs it."""

    def __init__(self, machine: str, **rights: bool) -> None:
        given = {"network": False, "processes": False} | rights
        self.machine, self.at = machine, list(MACHINES).index(machine)
        self._lines = list(struct.iter_unpack("HBBI", seccomp.build_filter(machine, 4711, **given)))

    def judge(self, number: int, *arguments: int) -> int:
        words = {0: number, 4: MACHINES[self.machine]}
        words |= {16 + 8 * at: argument for at, argument in enumerate((*arguments, *[0] * 6)[:6])}
        at = held = 0
        while True:
            code, yes, no, value = self._lines[at]
            at += 1
            if code == 0x06:
                return int(value)
            if code == 0x20:
                held = words[value]
            else:
                at += yes if TESTS[code](held, value) else no

    def refuses(self, number: int, *arguments: int) -> str:
        """The error, or nothing."""
        said = self.judge(number, *arguments)
        return "" if said == ALLOWED else errno.errorcode[said - REFUSED]


@pytest.fixture(params=MACHINES)
def filter_(request: pytest.FixtureRequest) -> Filter:
    return Filter(request.param)


@pytest.mark.parametrize("table", ["_REFUSED", "_MARKS", "_WATCHES", "_MEMORY"])
def test_what_leads_out_is_refused(filter_: Filter, table: str) -> None:
    calls = {name: numbers[filter_.at] for name, numbers in getattr(seccomp, table).items()}
    assert {name for name, number in calls.items() if filter_.refuses(number) != "EPERM"} == set()


def test_what_comes_later_is_not_there_but_for_what_a_c_library_needs(filter_: Filter) -> None:
    assert {filter_.refuses(number) for number in (450, 452, 457, 458, 463, 470, 600)} == {"ENOSYS"}
    assert {filter_.refuses(number) for number in (449, 453, 454, 455, 456)} == {""}


def test_pairs_of_sockets_are_streams(filter_: Filter) -> None:
    number = {"x86_64": 53, "aarch64": 199}[filter_.machine]
    for flags in (0, 0o4000, 0o2000000, 0o2004000):
        assert filter_.refuses(number, 1, 1 | flags) == ""
        assert filter_.refuses(number, 1, 2 | flags) == filter_.refuses(number, 1, 5 | flags) == "EACCES"
        assert filter_.refuses(number, 2, 1 | flags) == "EACCES"


def test_who_may_use_the_network_may_use_all_of_its_sockets() -> None:
    for machine in MACHINES:
        free = Filter(machine, network=True)
        numbers = [numbers[free.at] for numbers in seccomp._NETWORK.values()]
        numbers += [numbers[free.at] for numbers, _ in seccomp._FLAGS.values()]
        assert {free.refuses(number, 2, 2, 1, 1) for number in numbers} == {""}


def test_nothing_is_sent_or_taken_out_of_band(filter_: Filter) -> None:
    for numbers, argument in seccomp._FLAGS.values():
        flags = [0] * argument
        assert filter_.refuses(numbers[filter_.at], *flags, 0x4000) == ""
        assert filter_.refuses(numbers[filter_.at], *flags, 0x4001) == "EPERM"


@pytest.mark.parametrize(
    ("name", "fine", "not_fine"),
    [("fcntl", (1, 2, 3, 4, 1030), (8, 10, 15, 1024, 1026)), ("ioctl", (0x5401, 0x5421), (0x5412, 0x8901, 0x8902))],
)
def test_signals_are_sent_to_nobody_by_a_descriptor(
    filter_: Filter, name: str, fine: tuple[int, ...], not_fine: tuple[int, ...]
) -> None:
    number = seccomp._NOT_TO_DO[name][0][filter_.at]
    assert {filter_.refuses(number, 5, command) for command in fine} == {""}
    assert {filter_.refuses(number, 5, command) for command in not_fine} == {"EPERM"}


def test_it_cannot_be_made_to_outlive_the_gateway_or_to_be_looked_into(filter_: Filter) -> None:
    number = seccomp._NOT_TO_DO["prctl"][0][filter_.at]
    assert [filter_.refuses(number, option) for option in (1, 4, 15, 38)] == ["EPERM", "EPERM", "", ""]


@pytest.mark.parametrize("name", ["kill", "tgkill", "rt_sigqueueinfo", "rt_tgsigqueueinfo"])
def test_it_signals_nobody_but_itself(filter_: Filter, name: str) -> None:
    number = seccomp._ON_A_PROCESS[name][filter_.at]
    assert [filter_.refuses(number, process) for process in (4711, 1, 0, 2**32 - 1)] == ["", "EPERM", "EPERM", "EPERM"]


def test_what_every_program_does_is_allowed(filter_: Filter) -> None:
    """Reading, writing, memory, threads, waiting."""
    everyday = {"x86_64": (0, 1, 3, 9, 10, 11, 12, 202, 232, 257, 262, 318), "aarch64": (56, 57, 63, 64, 98, 214, 222)}
    assert {filter_.refuses(number, 1, 1, 1) for number in everyday[filter_.machine]} == {""}
