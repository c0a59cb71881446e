"""Facts about this machine, capability checks, provisioning, control groups, noise counters."""
