"""The private network of one trial: a bridge, one network namespace per client host. Nothing about services."""
