"""The viewer: a small web server on this machine that shows runs and takes people's verdicts on findings."""
