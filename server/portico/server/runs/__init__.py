"""Turns: one engine for all of them, whether a client waits, reads along, or comes back later."""
