"""One file for each method: `methods/NAME.py` is the method NAME. Folders have shared parts."""
