"""Tasks: generation is "denoise, conditioned on something". The walk stays; its start and what it knows change."""
