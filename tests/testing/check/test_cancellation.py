"""Async code that goes on after it was cancelled."""

from __future__ import annotations

import pytest

from .conftest import Trips


def around(handler: str, *, call: str = "await asyncio.sleep(1)", before: str = "pass") -> str:
    return f"async def on_load(self):\n    {before}\n    try:\n        {call}\n    {handler}"


@pytest.mark.parametrize(
    "handler",
    [
        "except:\n        pass",
        "except BaseException:\n        return None",
        "except (ValueError, BaseException) as error:\n        self.log.info(error)",
        "except asyncio.CancelledError:\n        pass",
    ],
)
def test_a_cancellation_that_is_caught_and_not_passed_on_is_told(trips: Trips, handler: str) -> None:
    assert trips(around(handler)) == [(5, "swallowed-cancellation")]


@pytest.mark.parametrize(
    "body",
    [
        around("except Exception:\n        pass"),
        around("except:\n        raise"),
        around("except BaseException:\n        self.log.info('x')\n        raise"),
        around("except asyncio.CancelledError:\n        raise\n    except BaseException:\n        pass"),
        around("except:\n        pass", call="int('x')"),
        around("finally:\n        pass"),
        around("except asyncio.CancelledError:\n        pass", call="await self.task", before="self.task.cancel()"),
        around("except BaseException as error:\n        self.future.set_exception(error)"),
        around("except BaseException as error:\n        self.first = error"),
        around("except BaseException as error:\n        self.tell(error)")
        + "\ndef tell(self, error):\n    raise error",
        around(
            "except BaseException:\n        try:\n            await self.close()\n        except BaseException:\n"
            "            pass\n        raise"
        ),
    ],
)
def test_what_passes_it_on_or_ends_another_task_is_passed(trips: Trips, body: str) -> None:
    assert trips(body) == []


def test_everything_caught_around_a_cancelled_task_is_still_too_much(trips: Trips) -> None:
    body = around("except:\n        pass", call="await self.task", before="self.task.cancel()")
    assert trips(body) == [(5, "swallowed-cancellation")]


def test_suppressing_is_catching(trips: Trips) -> None:
    body = "async def on_load(self):\n    {}with contextlib.suppress({}):\n        await self.task"
    assert trips(body.format("", "asyncio.CancelledError")) == [(2, "swallowed-cancellation")]
    assert trips(body.format("", "ValueError")) == []
    assert trips(body.format("self.task.cancel()\n    ", "asyncio.CancelledError")) == []


def test_code_that_is_not_async_is_never_cancelled(trips: Trips) -> None:
    assert trips("def load(self):\n    try:\n        int('x')\n    except:\n        pass") == []
