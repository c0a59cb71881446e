"""Apache Traffic Server: a cache in memory above a store."""
