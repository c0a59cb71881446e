"""What any part of a run needs of the operating system: locks, signals, whole files, child processes, namespaces."""
