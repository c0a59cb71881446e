"""A static origin on one thread and the standard library alone."""
