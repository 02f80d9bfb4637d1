"""What the trainings of Keras and TensorFlow share. `start` goes first, before Keras loads: it chooses the backend."""
