"""What Portico is measured against: the reference system's stack, and other ways to do the same."""
