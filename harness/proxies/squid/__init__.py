"""Squid: a forward proxy, and a reverse proxy that caches."""
