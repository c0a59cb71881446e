"""What makes a root file system: a distribution's packages, an image, an app tree; and the guest's disk."""
