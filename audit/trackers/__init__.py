"""Experiment trackers: a finished run's numbers in MLflow or Weights & Biases, beside the runs of a training."""
