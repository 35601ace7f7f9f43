"""The vocabulary explained: pages, the reference, the JSON schema."""
