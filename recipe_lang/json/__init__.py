"""The JSON form of a recipe, to and from the AST."""
