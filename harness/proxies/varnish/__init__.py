"""Varnish: a cache in memory."""
