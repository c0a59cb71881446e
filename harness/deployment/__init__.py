"""A variant in the lab: who stands where, how it is launched as a whole, what is read of it, what happens to it."""
