"""Proxies before services. A proxy is a service itself, so any target can launch it."""
