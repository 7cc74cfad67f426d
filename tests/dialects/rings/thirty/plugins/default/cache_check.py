"""Answers from the cache what was answered before."""

from core.plugin_sdk import PluginResponse
from fastapi.responses import JSONResponse


async def lookup(ctx):
    cache = ctx.state.cache
    if cache is None or not cache._enabled:
        return None
    if "no-cache" in ctx.metadata.get("_cache_control", ""):
        ctx.metadata["_cache_bypass"], ctx.metadata["_cache_status"] = True, "BYPASS"
        return None
    tenant = ctx.metadata.get("api_key") or ctx.session_id
    found = await cache.get(ctx.body, tenant_id=tenant)
    ctx.metadata["_cache_key"], ctx.metadata["_cache_tenant"] = cache.make_key(ctx.body, tenant), tenant
    if found is None:
        ctx.metadata["_cache_status"] = "MISS"
        return None
    ctx.metadata["_cache_status"], ctx.metadata["_cached_response_data"] = "HIT", found
    return PluginResponse.cache_hit(JSONResponse(content=found))
