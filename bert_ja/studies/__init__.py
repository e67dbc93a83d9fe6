"""Models in several modes on several sets, and the report on them."""
