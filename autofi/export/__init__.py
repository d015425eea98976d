"""Export of a trained model as a bundle: ONNX graph, quantization, model card."""
