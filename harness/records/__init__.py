"""What was measured: plain frozen types, returned by what measures and stored as they are.

Every ``*_ns`` is nanoseconds: a point of the host's monotonic clock, or a duration where the name says so. Memory is in
bytes. ``harness.store`` reads and writes these types; a change of their fields raises the schema number
(``harness.records.campaign``).
"""
