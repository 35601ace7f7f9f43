"""Text to AST: the grammar, the parser and its recovery, the nodes, near misses, and the text of a node."""
