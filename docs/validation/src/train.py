"""What the examples of docs/validation.md name as code."""
