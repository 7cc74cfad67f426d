"""Plugins in any language, each in a process of its own that is spoken with over gRPC, after the handshake of
HashiCorp's go-plugin."""
