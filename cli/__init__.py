"""The `mlp` command: what a person types comes in, what the library made of it goes out."""
