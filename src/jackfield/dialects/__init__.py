"""How a plugin is written: each dialect turns what a source loaded into a native plugin."""
