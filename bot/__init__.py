"""Teller: a self-hosted customer-service assistant for banks."""

__version__ = "0.1.0"
