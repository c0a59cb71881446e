"""HAProxy: a reverse proxy."""
