"""One worker as its crew knows it: the actor, what it is at, and how long it has said nothing."""

from __future__ import annotations

from typing import Any

import ray
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from filmcli.cluster.nodes import Place
from filmcli.cluster.order import Ticket
from filmcli.cluster.worker import Facts, Worker

_UNREAD = 4
"""What a worker says and nobody has heard yet; it waits when there is more."""
_LEAVES_SECONDS = 5
_ARRIVES_SECONDS = 60


class Hand:
    """Starts the worker of a place; `facts` are None until it has said what it is."""

    def __init__(self, place: Place, device: str, precision: str) -> None:
        self.place = place
        self.facts: Facts | None = None
        self.errand: tuple[Ticket, int] | None = None
        self.silent_seconds, self.has_spoken = 0.0, False
        options = ray.remote(Worker).options(
            num_cpus=place.cores,
            num_gpus=place.gpus,
            scheduling_strategy=NodeAffinitySchedulingStrategy(place.node, soft=False),
            max_restarts=0,
            max_task_retries=0,
        )
        self._actor = options.remote()
        self._hello = self._actor.facts.remote(device, precision)
        self._says: ray.ObjectRefGenerator | None = None

    @property
    def waits_for(self) -> Any:
        """What Ray is to wait for; None if this worker has nothing to do."""
        return self._hello if self.facts is None else self._says

    @property
    def is_idle(self) -> bool:
        """True if an errand can be given to it."""
        return self.facts is not None and self._says is None

    def meet(self) -> Facts:
        """Hear what it is, once that is there; raises what Ray raises if it could not start."""
        self.facts = ray.get(self._hello)
        return self.facts

    def give(self, ticket: Ticket, index: int) -> None:
        """Send it on errand `index` of a ticket, whose craft it fetches if it has another."""
        work = self._actor.work.options(
            num_returns="streaming", _generator_backpressure_num_objects=_UNREAD
        )
        errand = ticket.order.errand(index)
        self.errand = ticket, index
        self.silent_seconds, self.has_spoken = 0.0, False
        self._says = work.remote(ticket.number, [ticket.craft], errand)

    def hear(self) -> tuple[Any, ...]:
        """What it said next, or nothing at the errand's end; raises what went wrong there."""
        assert self._says is not None
        try:
            said = next(self._says)
        except StopIteration:
            return ()
        return (ray.get(said, timeout=_ARRIVES_SECONDS),)

    def rest(self) -> None:
        """The errand is over, well or not."""
        self.errand = self._says = None

    def leave(self) -> bool:
        """Let it put everything away; True if it had to be killed, and has left its files."""
        gone = False
        if self.is_idle:
            gone = bool(ray.wait([self._actor.leave.remote()], timeout=_LEAVES_SECONDS)[0])
        self.kill()
        return not gone

    def kill(self) -> None:
        """End it at once, whatever it does."""
        ray.kill(self._actor, no_restart=True)
