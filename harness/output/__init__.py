"""A campaign as others read it: JSON for scripts, tables for a terminal. Above analysis, and without engines."""
