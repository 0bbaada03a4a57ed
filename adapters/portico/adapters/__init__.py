"""Thin translations of the core to interfaces, engines and frameworks."""
