"""What the scripts of all components share; travels beside each script through `additional_includes`."""
