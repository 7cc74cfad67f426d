"""Where plugins run: in this process or in one of their own, behind one protocol."""
