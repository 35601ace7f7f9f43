"""A recipe as text: the formatter, the resolved and the flat form, the identity, fixes."""
