"""Vectors of texts: in Python, and as files."""
