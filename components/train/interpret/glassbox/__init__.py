"""What the trainings of explainable boosting machines share."""
