"""One request from bytes to bytes: phases over an exchange."""
