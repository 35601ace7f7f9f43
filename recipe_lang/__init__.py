"""The `.ftr` language: from text to a checked recipe. Needs lark and the standard library, nothing else."""
