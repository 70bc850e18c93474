"""Feature networks, loaded once and shared by audits."""
