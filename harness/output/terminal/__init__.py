"""``tare show`` and others: tables for a terminal."""
