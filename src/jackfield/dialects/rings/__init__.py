"""Ring plugins: one manifest for many, five rings, and one context that all of a request's plugins share."""
