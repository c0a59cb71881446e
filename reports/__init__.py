"""Reports: a campaign's frames and records as one self-contained HTML file, its charts and its tables.

Needs no Docker, libvirt or root: everything is drawn from ``harness.analysis``.
"""
