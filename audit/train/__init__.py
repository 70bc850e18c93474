"""Training of the networks that audits use and that ship with the project."""
