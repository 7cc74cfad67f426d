"""Factory plugins: a `plugin.py` that exports `factory`, which declares a manifest and makes a runtime."""
