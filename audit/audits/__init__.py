"""One file an audit; saving a file here registers it."""
