"""What runs in the generator's own process, inside Locust: it follows a load plan and records every request."""
