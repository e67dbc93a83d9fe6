"""Groups of command-line flags; imported by scripts only."""
