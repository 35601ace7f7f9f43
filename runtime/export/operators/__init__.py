"""The operators of MXNet in ONNX."""
