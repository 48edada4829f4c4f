"""Training stages over transformers and TRL; one module per stage. Nothing is imported here: each loads torch."""
