"""nginx: a reverse proxy, and the same as a cache."""
