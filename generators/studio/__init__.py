"""Rendered ground truth: scenes with exact annotations and, where asked for, planted defects."""
