"""A page about a run: what it left, as one HTML file."""
