"""What guests boot: the kernel, and the initial RAM file system before their own system."""
