"""What makes a host ready: packages, engines, daemons."""
