"""The Model Context Protocol, both ways: the gateway as a server of its plugins' tools, and as a client of others.

Only `server`, `exchange`, `session`, `http` and `stdio` import the SDK, which takes longer to load than all the rest of
the gateway: they are imported when they are first needed.
"""
