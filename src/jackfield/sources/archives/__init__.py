"""Sealed archives of plugins: one file that says what is in it and who vouches for that."""
