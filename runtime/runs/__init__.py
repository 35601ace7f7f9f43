"""The run folder, checkpoints, locks and packs: their only reader and writer."""
