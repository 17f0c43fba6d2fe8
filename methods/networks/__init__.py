"""Networks and what every network needs: padding, tiles."""
