"""One file a method: `methods/NAME.py` is the method NAME. Folders hold the parts methods share."""
