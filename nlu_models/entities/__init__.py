"""Rule-based entities in English and Chinese: `extract(text, today) -> list[Entity]`. Standard library only."""

from nlu_models.entities.extraction import extract
from nlu_models.entities.model import Entity

__all__ = ["Entity", "extract"]
