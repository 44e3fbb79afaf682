"""Finding the published FAQ entries that a message asks about."""

from knowledge_base.retrieval.retriever import Hit, Retriever

__all__ = ["Hit", "Retriever"]
