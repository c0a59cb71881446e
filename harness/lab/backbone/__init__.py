"""What joins a lab's regions: a process of its own that delays each frame by the distance."""
