"""The figures that Portico promises, measured beside their peers in one run."""
