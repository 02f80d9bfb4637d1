"""What the PyTorch components share: networks, the training loop, checkpoints, and the way to a saved model."""
