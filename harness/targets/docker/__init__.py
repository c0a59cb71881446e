"""Target ``container``: a Docker container."""
