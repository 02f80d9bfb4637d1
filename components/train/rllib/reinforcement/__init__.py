"""What training by RLlib has in common, whatever the algorithm."""
