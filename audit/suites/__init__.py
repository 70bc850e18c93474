"""Prompt suites: loaders and the built-in ones."""
