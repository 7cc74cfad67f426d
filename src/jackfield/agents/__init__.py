"""Agents: a model and tools, turn after turn, until it is done."""
