"""Export: a trained model as files that run without Python."""
