"""From Azure ML definitions in YAML to the `.mlp` program that says the same."""
