"""Experiment and workload files, read into validated frozen models."""
