"""Build a root file system once; derive a directory, an image and a disk from it; digest and verify."""
