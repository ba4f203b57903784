"""Ray actors, one a file: they own processes and resources, never algorithms."""
