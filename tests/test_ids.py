"""Ids are unique, sort by the time they were made, and repeat for no one."""

from __future__ import annotations

import os
import random
import re

from jackfield.ids import new_id


def test_an_id_is_its_prefix_and_26_hexadecimal_digits() -> None:
    assert re.fullmatch(r"req_[0-9a-f]{26}", new_id("req"))


def test_later_ids_sort_later() -> None:
    ids = [new_id("req") for _ in range(2000)]
    moments = [found[:17] for found in ids]
    assert moments == sorted(moments)


def test_ids_do_not_repeat() -> None:
    assert len({new_id("key") for _ in range(20_000)}) == 20_000


def test_seeding_the_shared_generator_changes_nothing() -> None:
    random.seed(1)
    first = new_id("req")[-13:]
    random.seed(1)
    assert new_id("req")[-13:] != first


def test_a_forked_process_makes_ids_of_its_own() -> None:
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(writing, new_id("req")[-13:].encode())
        os._exit(0)
    os.waitpid(child, 0)
    os.close(writing)
    theirs = os.read(reading, 64).decode()
    os.close(reading)
    assert len(theirs) == 13
    assert theirs != new_id("req")[-13:]
