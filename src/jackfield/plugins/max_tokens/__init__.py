"""How much a model may write in one answer."""
