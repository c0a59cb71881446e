"""One execution of an experiment: prepared, run trial by trial, resumed, swept."""
