"""What a run will take: time and memory, measured on a few batches."""
