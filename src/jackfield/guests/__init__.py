"""Plugins whose code runs in another process: the host's side, the guest's side, and what they say to one another."""
