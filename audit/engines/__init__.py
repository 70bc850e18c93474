"""Engines: what walks the shards of a run. `local` is one process; `on_ray` spreads them over a Ray cluster."""
