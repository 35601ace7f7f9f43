"""The process, the processor, memory, files and streams, randomness. Knows nothing of recipes."""
