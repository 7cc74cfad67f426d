"""What a plugin may be granted, one service a file, and building it from permissions."""
