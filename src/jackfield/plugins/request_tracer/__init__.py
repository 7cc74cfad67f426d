"""Requests and answers on disk."""
