"""`ftr lsp`: what editors ask about a recipe, over the Language Server Protocol.

`server` speaks the protocol; all answers come from the other modules, which know texts and offsets only.
"""
