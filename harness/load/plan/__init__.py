"""What one run of the generator does, as plain data: where requests go, when each is sent, what it asks for."""
