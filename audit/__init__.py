"""Sixth Finger: evaluation and artifact auditing for text-to-image generators."""
