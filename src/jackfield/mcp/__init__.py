"""The Model Context Protocol: the gateway as a server, and as a client of others."""
