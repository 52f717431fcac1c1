"""Training: the loop, step rules, checkpoints."""
