"""HTTP, and nothing else: requests in, answers out."""
