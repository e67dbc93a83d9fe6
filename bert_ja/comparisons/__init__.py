"""Several models with several settings, and the table of the best."""
