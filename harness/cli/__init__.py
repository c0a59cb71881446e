"""The command line: parse, call, print. ``harness.cli.main`` is its door."""
