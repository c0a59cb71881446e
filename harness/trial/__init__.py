"""One attempt at one trial: a variant laid out in a lab, launched, read, driven and ended."""
