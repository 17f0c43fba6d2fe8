"""Keeps the numbers of the standard streams taken, whatever a method has closed."""

import os


def reopen_closed() -> None:
    """Open the null device for each standard stream (0, 1, 2) whose file is closed.

    Otherwise the next file that is opened gets the stream's number: a progress bar would write
    into an image.
    """
    while (number := os.open(os.devnull, os.O_RDWR)) <= 2:
        pass
    os.close(number)
