"""Generators: everything that turns a request into a picture. Knows nothing of auditing."""
