"""Networks that no search space made: read from JAX functions and ONNX files into operators."""
