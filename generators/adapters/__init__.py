"""Generators that others made, behind our protocol."""
