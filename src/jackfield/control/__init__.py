"""What the gateway keeps about its callers and their use of it: objects, credentials, usage, prices."""
