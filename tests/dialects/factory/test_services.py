"""Services: provided, required, wished for; and what the registry says of them."""

from __future__ import annotations

from typing import Any

from .guide import system

GIVES = """
    async def _on_initialize(self):
        self.context.plugin_registry.register_service("pricing", seen, provider_plugin="pricing")
"""
TAKES = """
    async def _on_initialize(self):
        registry = self.context["plugin_registry"]
        seen.append((registry.get_service("pricing", list), registry.get_service("pricing", int)))
        seen.append((registry.has_service("pricing"), registry.list_plugins()))
"""


async def test_what_is_required_starts_first_and_is_found_by_type(open_house: Any) -> None:
    plugins = {
        "consumer": system("consumer", TAKES, 'requires=["pricing"]'),
        "pricing": system("pricing", GIVES, 'provides=["pricing"]'),
    }
    house = await open_house(plugins=plugins)
    status = await house.status()
    assert status["services"] == {"pricing": "pricing"}
    assert status["initialization_order"].index("pricing") < status["initialization_order"].index("consumer")
    given = house.module("pricing").seen
    assert house.module("consumer").seen == [(given, None), (True, ["pricing"])]


async def test_without_what_it_requires_it_fails_and_its_routes_are_absent(open_house: Any) -> None:
    before = "router = APIRouter()\nrouter.add_api_route('/x', lambda: 1)"
    fields = 'requires=["pricing"], routes=[RouteSpec(router, "/consumer")]'
    house = await open_house(plugins={"consumer": system("consumer", fields=fields, before=before)})
    told = await house.described("consumer")
    assert (told["state"], told["initialized"]) == ("failed", False)
    assert "requires the service 'pricing'" in told["reason"]
    async with house.gateway.caller() as caller:
        assert (await caller.get("/consumer/x")).status == 404


async def test_what_is_only_wished_for_orders_and_may_be_absent(open_house: Any) -> None:
    consumer = system("aconsumer", TAKES, 'optional_requires=["pricing"]')
    alone = await open_house(plugins={"aconsumer": consumer})
    assert alone.module("aconsumer").seen == [(None, None), (False, [])]
    both = await open_house(
        plugins={"aconsumer": consumer, "pricing": system("pricing", GIVES, 'provides=["pricing"]')}
    )
    assert both.module("aconsumer").seen[0][0] is both.module("pricing").seen


async def test_who_declares_and_does_not_register_is_degraded(open_house: Any) -> None:
    house = await open_house(plugins={"pricing": system("pricing", fields='provides=["pricing"]')})
    told = await house.described("pricing")
    assert (told["state"], told["reason"]) == ("degraded", "it declares that it provides 'pricing', and does not")


async def test_a_cycle_is_told_with_its_path(open_house: Any) -> None:
    plugins = {
        "one": system("one", fields='dependencies=["two"]'),
        "two": system("two", fields='dependencies=["one"]'),
    }
    house = await open_house(plugins=plugins)
    reasons = [(await house.described(name))["reason"] for name in plugins]
    assert reasons == ["waits for itself: one needs two needs one"] * 2


async def test_nobody_registers_in_anothers_name(open_house: Any) -> None:
    house = await open_house(plugins={"thief": system("thief", GIVES)})
    assert "cannot register 'pricing' for 'pricing'" in (await house.described("thief"))["reason"]


async def test_what_was_not_declared_may_be_given_all_the_same(open_house: Any) -> None:
    house = await open_house(plugins={"pricing": system("pricing", GIVES)})
    assert (await house.status())["services"] == {"pricing": "pricing"}
