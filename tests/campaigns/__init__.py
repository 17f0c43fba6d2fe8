"""Long campaigns that try to break the suite. The tests run a few examples of each."""
