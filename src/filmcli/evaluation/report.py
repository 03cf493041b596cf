"""A report to look at: the tables and strips of pictures, as Markdown and as one HTML page.

The page holds its pictures in itself, so it can be mailed; the Markdown names them in a folder
beside it.
"""

from __future__ import annotations

import base64
import html
import os
from collections.abc import Iterator, Sequence

from filmcli.errors import OutputExistsError
from filmcli.evaluation.album import Shown
from filmcli.evaluation.board import Table, markdown

MARKDOWN, PAGE, PICTURES = "report.md", "index.html", "pictures"
TITLE = "How near are the made frames?"

_GENERATOR = '<meta name="generator" content="filmcli evaluate">'
_STYLE = """
body { font: 15px/1.4 system-ui, sans-serif; margin: 2em auto; max-width: 2030px; padding: 0 1em;
  color: #222; background: #fff }
table { border-collapse: collapse; margin: 0 0 1.5em }
th, td { padding: .15em .8em; text-align: right; font-variant-numeric: tabular-nums }
th:first-child, td:first-child { text-align: left }
tr.mean td { font-weight: bold; border-top: 1px solid #888 }
td.best { background: #def5de }
figure { margin: 0 0 2em } figure img { width: 100%; display: block }
figcaption { margin-bottom: .3em } p.notes { max-width: 60em; color: #555 }
"""


def check_folder(folder: str) -> None:
    """Raise OutputExistsError if `folder` holds anything but an earlier report."""
    if not os.path.lexists(folder):
        return
    page = os.path.join(folder, PAGE)
    is_ours = False
    if os.path.isfile(page):
        with open(page, encoding="utf-8", errors="replace") as file:
            is_ours = _GENERATOR in file.read(1000)
    if not is_ours and (not os.path.isdir(folder) or os.listdir(folder)):
        raise OutputExistsError(
            f"{folder} exists already",
            "it holds something that is no report of filmcli evaluate",
            "name a new folder",
        )


def write_report(
    folder: str, tables: Sequence[Table], notes: Sequence[str], strips: Sequence[Shown]
) -> str:
    """Write the report into `folder`, in place of an earlier one; return the page's name.

    Raises OutputExistsError as `check_folder` does, OSError where nothing can be written.
    """
    check_folder(folder)
    pictures = os.path.join(folder, PICTURES)
    os.makedirs(pictures, exist_ok=True)
    for old in os.listdir(pictures):
        os.remove(os.path.join(pictures, old))
    told = [f"# {TITLE}\n", *map(markdown, tables), " ".join(notes) + "\n"]
    for number, shown in enumerate(strips, 1):
        name = f"{number:03d}.jpg"
        with open(os.path.join(pictures, name), "wb") as file:
            file.write(shown.jpeg)
        told.append(f"{shown.words}\n\n![{shown.words}]({PICTURES}/{name})\n")
    _write(os.path.join(folder, MARKDOWN), told)
    page = os.path.join(folder, PAGE)
    _write(page, _page(tables, notes, strips))
    return page


def _write(path: str, lines: Iterator[str] | Sequence[str]) -> None:
    """The file appears whole or not at all."""
    partial = f"{path}.partial"
    with open(partial, "w", encoding="utf-8") as file:
        file.writelines(f"{line}\n" for line in lines)
    os.replace(partial, path)


def _page(tables: Sequence[Table], notes: Sequence[str], strips: Sequence[Shown]) -> Iterator[str]:
    yield f'<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n{_GENERATOR}'
    yield f"<title>{TITLE}</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n<h1>{TITLE}</h1>"
    for table in tables:
        yield from _html_table(table)
    yield f'<p class="notes">{html.escape(" ".join(notes))}</p>'
    for shown in strips:
        words, data = html.escape(shown.words), base64.b64encode(shown.jpeg).decode()
        yield f"<figure>\n<figcaption>{words}</figcaption>"
        yield f'<img alt="{words}" src="data:image/jpeg;base64,{data}">\n</figure>'
    yield "</body>\n</html>"


def _html_table(table: Table) -> Iterator[str]:
    """The table, the best of every row marked."""
    yield "<table>\n<tr>"
    yield "".join(f"<th>{html.escape(cell)}</th>" for cell in (table.title, *table.head[1:]))
    yield "</tr>"
    for row in table.rows:
        best = _best(table, row)
        cells = [f"<td>{html.escape(cell)}</td>" for cell in row[:2]]
        for cell in row[2:]:
            mark = ' class="best"' if cell == best else ""
            cells.append(f"<td{mark}>{cell}</td>")
        kind = ' class="mean"' if row[0] == "mean" else ""
        yield f"<tr{kind}>{''.join(cells)}</tr>"
    yield "</table>"


def _best(table: Table, row: Sequence[str]) -> str | None:
    """The cell of a row that is to be marked."""
    if table.best == "none":
        return None
    return (min if table.best == "lowest" else max)(row[2:], key=float)
