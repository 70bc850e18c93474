"""Training of what ships: data, losses, loops."""
