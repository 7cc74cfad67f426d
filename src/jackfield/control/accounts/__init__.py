"""Accounts that operators signed in with at providers: their tokens, and whose turn it is."""
