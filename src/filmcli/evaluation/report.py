"""A report to look at: the tables and strips of pictures, as Markdown and as one HTML page.

The page holds its pictures in itself, so it can be mailed; the Markdown names them in a folder
beside it.
"""

from __future__ import annotations

import base64
import html
import os
from collections.abc import Iterator, Sequence
from itertools import groupby

from filmcli.errors import OutputExistsError
from filmcli.evaluation.album import Shown
from filmcli.evaluation.board import Result, Table, markdown
from filmcli.evaluation.charts import charts
from filmcli.page.sheet import sheet

MARKDOWN, PAGE, PICTURES = "report.md", "index.html", "pictures"
TITLE = "How near are the made frames?"

_GENERATOR = "filmcli evaluate"


def check_folder(folder: str) -> None:
    """Raise OutputExistsError if `folder` holds anything but an earlier report."""
    if not os.path.lexists(folder):
        return
    page = os.path.join(folder, PAGE)
    is_ours = False
    if os.path.isfile(page):
        with open(page, encoding="utf-8", errors="replace") as file:
            is_ours = f'<meta name="generator" content="{_GENERATOR}">' in file.read(1000)
    if not is_ours and (not os.path.isdir(folder) or os.listdir(folder)):
        raise OutputExistsError(
            f"{folder} exists already",
            "it holds something that is no report of filmcli evaluate",
            "name a new folder",
        )


def write_report(
    folder: str,
    tables: Sequence[Table],
    notes: Sequence[str],
    results: Sequence[Result],
    strips: Sequence[Shown],
) -> str:
    """Write the report into `folder`, in place of an earlier one; return the page's name.

    Of `results` the page shows the course from frame to frame, of `strips` the worst first.

    Raises OutputExistsError as `check_folder` does, OSError where nothing can be written.
    """
    check_folder(folder)
    strips = sorted(strips, key=lambda shown: (shown.is_typical, shown.looks))
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
    body = "\n".join(_body(tables, notes, results, strips))
    _write(page, [sheet(TITLE, _GENERATOR, ("look.css", "report.css"), body)])
    return page


def _write(path: str, lines: Iterator[str] | Sequence[str]) -> None:
    """The file appears whole or not at all."""
    partial = f"{path}.partial"
    with open(partial, "w", encoding="utf-8") as file:
        file.writelines(f"{line}\n" for line in lines)
    os.replace(partial, path)


def _body(
    tables: Sequence[Table],
    notes: Sequence[str],
    results: Sequence[Result],
    strips: Sequence[Shown],
) -> Iterator[str]:
    yield f"<h1>{TITLE}</h1>"
    for table in tables:
        yield from _html_table(table)
    yield f'<p class="notes faint">{html.escape(" ".join(notes))}</p>'
    drawn = [charts(result, _links(result, strips)) for result in results]
    if any(drawn):
        yield "<h2>Frame by frame</h2>"
        yield from filter(None, drawn)
    numbered = enumerate(strips, 1)
    for is_typical, numbered_of in groupby(numbered, key=lambda each: each[1].is_typical):
        yield "<h2>Typical frames</h2>" if is_typical else "<h2>The worst first</h2>"
        yield from (_figure(number, shown) for number, shown in numbered_of)


def _links(result: Result, strips: Sequence[Shown]) -> dict[int, str]:
    """Ids of the strips of one sequence by their frames."""
    numbered = enumerate(strips, 1)
    return {shown.frame: _id(at) for at, shown in numbered if shown.sequence == result.name}


def _id(number: int) -> str:
    return f"strip-{number}"


def _figure(number: int, shown: Shown) -> str:
    words, data = html.escape(shown.words), base64.b64encode(shown.jpeg).decode()
    image = f'<img alt="{words}" src="data:image/jpeg;base64,{data}">'
    return f'<figure id="{_id(number)}">\n<figcaption>{words}</figcaption>\n{image}\n</figure>'


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
