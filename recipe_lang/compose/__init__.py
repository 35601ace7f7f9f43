"""Several files to one AST: loading, `extends`, merging."""
