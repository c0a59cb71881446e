"""Fronts: proxies before services. A front is a service itself, so any target can launch it."""
