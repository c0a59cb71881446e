"""The instrument against a service that does nothing: its latency floor, and the rate that it can keep."""
