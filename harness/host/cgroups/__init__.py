"""Control groups of versions 1 and 2 behind one interface."""
