"""Searching the domains of a recipe's parameters: a study, its trials, and what came out."""
