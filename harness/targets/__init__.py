"""Deployment models that can launch a service: one module per target, one contract (``api``)."""
