"""What any part of a run needs of the operating system: child processes, network namespaces."""
