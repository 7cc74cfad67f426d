"""The cheapest endpoint that is well; what it learns is kept in the module."""

from core.pricing import get_pricing

CHOSEN: dict[str, int] = {}


async def select_endpoint(ctx):
    rotator, model = ctx.metadata["rotator"], ctx.body.get("model", "")
    pinned, candidates = ctx.metadata.get("_resolved_provider"), []
    for endpoint in await rotator.store.get_pool():
        breaker = rotator.circuit_manager.get_breaker(endpoint.id)
        serves = model in endpoint.metadata["models"] and pinned in (None, endpoint.metadata["provider"])
        if serves and await breaker.can_execute():
            candidates.append(endpoint)
    if not candidates:
        return
    weight = rotator.routing_cost_weight
    price = get_pricing(model)["input"]
    chosen = max(candidates, key=lambda endpoint: (endpoint.metadata["priority"], endpoint.id))
    CHOSEN[chosen.id] = CHOSEN.get(chosen.id, 0) + 1
    ctx.metadata["target_endpoint"] = chosen
    ctx.metadata["_routing_strategy"] = "priority" if rotator.priority_mode else "score"
    ctx.metadata["_routing_score"], ctx.metadata["_routing_cost_weight"] = 1 / (price + 0.01) ** weight, weight
    await rotator._add_log(f"{model} -> {chosen.id} {rotator.config.get('server', {}).get('port')}", level="DEBUG")
