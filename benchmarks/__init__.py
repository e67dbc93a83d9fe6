"""Measurements; each module prints a table and writes a JSON file."""
