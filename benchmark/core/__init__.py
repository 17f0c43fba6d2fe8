"""What every room needs: errors, atomic writes, paths, images, seeds, the device, weight files.

It knows nothing of methods or runs, and imports no other room.
"""
