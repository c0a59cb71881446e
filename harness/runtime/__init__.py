"""What a process of ours does with the host it runs on: locks, signals, files, child processes."""
