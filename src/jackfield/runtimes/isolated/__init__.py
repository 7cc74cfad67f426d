"""Plugins in Python in processes of their own."""
