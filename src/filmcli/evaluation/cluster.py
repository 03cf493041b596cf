"""Films scored by a crew, each by one worker."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

from filmcli.cluster.crew import Crew
from filmcli.cluster.film import Film, film_here, seen
from filmcli.errors import FilmcliError
from filmcli.evaluation.album import Album, Shown
from filmcli.evaluation.board import Result
from filmcli.evaluation.dropping import makers_for, open_film, rebuild
from filmcli.evaluation.entries import Entry
from filmcli.evaluation.metrics import open_scorer

_SLOWNESS = 10.0  # every network and rival makes a frame before one is told of


class Scored(NamedTuple):
    """What a film scored, and strips of it if they were asked for."""

    result: Result
    strips: Sequence[Shown]


@dataclass(frozen=True)
class Scoring:
    """Scoring films, as `score_film` does, by these words."""

    entries: Sequence[Entry]
    judge: bool
    drop: int
    cuts: str
    limit: int | None
    with_strips: bool

    @contextmanager
    def opened(self, folder: str) -> Iterator[Callable[[tuple[Film, str]], Iterator[Any]]]:  # noqa: ARG002
        """Load what measures."""
        yield partial(self._score, open_scorer(self.judge))

    def _score(
        self, scorer: Any, errand: tuple[Film, str]
    ) -> Iterator[int | Scored | FilmcliError]:
        """Say how many frames are scored, and last the scores, or why there are none."""
        film, name = errand
        album = Album(name, self.entries, scorer) if self.with_strips else None
        frames = []
        try:
            with seen(film) as path:
                dropped = open_film(path, self.drop, self.cuts, self.limit)
                with makers_for(dropped, self.entries) as makers:
                    for rebuilt in rebuild(dropped, makers, scorer):
                        if album is not None:
                            album(rebuilt)
                        frames.append(rebuilt.without_pictures)
                        yield len(frames)
        except FilmcliError as failure:  # of this film: another worker would find the same
            yield failure
            return
        yield Scored(Result(name, frames), album.strips() if album else [])


Take = Callable[[int, Scored | FilmcliError], None]


def score_films(
    crew: Crew,
    scoring: Scoring,
    films: Sequence[tuple[str, AbstractContextManager[str]]],
    take: Take,
) -> None:
    """Let films be scored, each a name and a context that gives its path; `take` hears of each."""
    crew.work(_Films(scoring, films, take))


class _Films:
    """The order for the scores of films."""

    name, slowness = "the films", _SLOWNESS

    def __init__(
        self,
        scoring: Scoring,
        films: Sequence[tuple[str, AbstractContextManager[str]]],
        take: Take,
    ) -> None:
        self.craft, self.todo = scoring, range(len(films))
        self._films, self._take = films, take
        self._open: dict[int, Film] = {}
        self._said: dict[int, Scored | FilmcliError] = {}

    def errand(self, index: int) -> tuple[Film, str]:
        """The film, which is open from here until it is done."""
        name, film = self._films[index]
        if index not in self._open:
            self._open[index] = film_here(film.__enter__())
        return self._open[index], name

    def hear(self, index: int, said: int | Scored | FilmcliError, node: str) -> None:  # noqa: ARG002
        """What the film scored, at last."""
        if not isinstance(said, int):
            self._said[index] = said

    def done(self, index: int) -> None:
        """Pass on the scores."""
        self._films[index][1].__exit__(None, None, None)
        self._take(index, self._said.pop(index))

    def lost(self, index: int) -> None:
        """It is scored again."""
        self._said.pop(index, None)
