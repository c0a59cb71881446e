"""Target ``swarm``: a Docker Swarm service."""
