"""What the Opacus components share: private gradient descent, its accounting and its randomness, and its release."""
