"""Comparative reports of runs."""
