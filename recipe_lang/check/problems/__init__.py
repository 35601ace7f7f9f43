"""What the checker finds wrong, with its wording."""
