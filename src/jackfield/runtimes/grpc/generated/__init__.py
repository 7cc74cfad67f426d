"""Made by `python sdk/generate.py` from the files in `proto`."""
