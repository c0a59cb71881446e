"""What is derived from one root file system: a directory, a disk, an image."""
