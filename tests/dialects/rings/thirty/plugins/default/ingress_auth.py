"""Who the tailnet says a caller is."""


async def verify(ctx):
    if ctx.request is None or ctx.request.client is None:
        return
    rotator = ctx.metadata["rotator"]
    identity = await rotator.zt_manager.verify_tailscale_identity(ctx.request.client.host)
    if identity["status"] == "denied":
        ctx.error, ctx.stop_chain = "The tailnet does not know this device", True
        return
    ctx.metadata["zt_user"], ctx.metadata["zt_node"] = identity.get("user"), identity.get("node")
    await rotator._add_log(f"ZT {identity['status']} {ctx.request.client.host}", level="DEBUG")
