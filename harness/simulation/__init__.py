"""Eviction policies on a sequence of requests: traces and seeded sequences, simulated caches, miss-ratio curves.

Needs no root and no engine. The simulation itself is libCacheSim's, the optional extra ``cache`` (GPL-3.0-or-later),
which only ``harness.simulation.worker`` imports, in a process of its own; everything else here works without it.
"""
