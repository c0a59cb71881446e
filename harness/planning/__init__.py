"""Before anything runs: which trials there are, whether they can be, how long they take."""
