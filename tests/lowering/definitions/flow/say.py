"""A step of the flow."""
