"""Measures how much of Azure ML's YAML comes back the same after import and compile; see README.md."""
