"""``tare show --json``: the campaign as plain data."""
