"""The sheet of every page: one HTML file that holds its own style, scripts and pictures.

It asks for nothing over a network: its own security policy forbids it.
"""

from __future__ import annotations

import html
import json
from collections.abc import Sequence
from importlib.resources import files
from string import Template
from typing import Any


def sheet(
    title: str, generator: str, styles: Sequence[str], body: str, scripts: Sequence[str] = ()
) -> str:
    """A whole page: `title` is text, `body` HTML; `styles` and `scripts` name files.

    `generator` is the command that made it.
    """
    code = "".join(f"<script>\n{_read(name)}</script>\n" for name in scripts)
    return filled(
        "frame.html",
        generator=generator,
        title=text(title),
        style="".join(map(_read, styles)),
        body=body + code,
    )


def filled(name: str, **parts: str) -> str:
    """The file `name` with `parts` of HTML in their places."""
    return Template(_read(name)).substitute(parts)


def text(words: str) -> str:
    """Words as HTML shows them, whatever they hold: names of films are bytes."""
    return html.escape(words.encode("utf-8", "replace").decode())


def data(name: str, facts: Any) -> str:
    """A script element that holds `facts` as JSON, for scripts to find by its `name`."""
    # Nothing in it may end the element.
    spelled = json.dumps(facts).replace("<", "\\u003c")
    return f'<script type="application/json" id="{name}">{spelled}</script>\n'


def _read(name: str) -> str:
    return (files("filmcli.page") / "files" / name).read_text(encoding="utf-8")
