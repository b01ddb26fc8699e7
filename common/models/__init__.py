"""One file a model, and what is done with models: generation, decoding. Nothing is imported here."""
