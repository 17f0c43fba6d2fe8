"""Long campaigns that try to break the suite; a few of their points are among the normal tests."""
