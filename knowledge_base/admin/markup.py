"""Markdown answers as HTML that is safe to show."""

from __future__ import annotations

from markdown_it import MarkdownIt
from markupsafe import Markup
from nh3 import clean


def to_html(markdown: str) -> Markup:
    """An answer as safe HTML; raw HTML in it stays text and only ordinary links survive."""
    return Markup(clean(
        MarkdownIt("js-default").render(markdown),
        tags={"p", "br", "strong", "em", "ul", "ol", "li", "a", "code", "pre", "blockquote", "h1", "h2", "h3", "h4",
              "table", "thead", "tbody", "tr", "th", "td", "hr", "s"},
        url_schemes={"http", "https", "mailto", "tel"},
    ))
