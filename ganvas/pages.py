"""Pages of pictures to look through in a browser: one file each, which needs nothing beside it."""

from __future__ import annotations

import base64
import html
import io
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from PIL.Image import Image

STYLE = """
body { font: 15px/1.4 system-ui, sans-serif; margin: 2rem; background: #fff; color: #222 }
table { border-collapse: collapse } th, td { padding: .3rem .6rem; text-align: left; vertical-align: middle }
thead th { position: sticky; top: 0; background: #fff } img { max-width: 40vw; image-rendering: auto }
tbody tr:nth-child(odd) { background: #f6f6f6 }
"""


def side_by_side(title: str, heads: Sequence[str], rows: Sequence[tuple[str, *tuple[Image, ...]]]) -> str:
    """A row for each name, a column for each head, the pictures inside the page.  -> HTML"""
    head = "".join(f"<th>{html.escape(name)}</th>" for name in ("", *heads))
    body = "\n".join(
        f"<tr><th>{html.escape(name)}</th>" + "".join(f"<td>{picture_tag(p, name)}</td>" for p in pictures) + "</tr>"
        for name, *pictures in rows
    )
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{html.escape(title)}</title>\n'
        f"<style>{STYLE}</style></head>\n<body><h1>{html.escape(title)}</h1>\n"
        f"<table><thead><tr>{head}</tr></thead><tbody>\n{body}\n</tbody></table></body></html>\n"
    )


def picture_tag(picture: Image, name: str) -> str:
    """The picture as an element that holds it."""
    file = io.BytesIO()
    picture.save(file, "PNG")
    data = base64.b64encode(file.getvalue()).decode()
    return f'<img alt="{html.escape(name)}" src="data:image/png;base64,{data}">'
