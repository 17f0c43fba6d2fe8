"""Tools for every room: errors, atomic writes, paths, images, seeds, the device, weight files.

It knows no methods or runs, and imports no other room.
"""
