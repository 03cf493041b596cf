"""The crew: every worker there is gets an errand, and what one lets fall another picks up.

Orders come in from any thread, and are served in that order: a worker takes the first errand that
is left. One thread, the foreman, gives errands out and hears what is said; an order's methods are
called there, one at a time. A worker that dies, says nothing for long or fails is told of once, and
its errand is done again by whoever is free; nodes that come later are used.
"""

from __future__ import annotations

import contextlib
import logging
import socket
import time
from collections import Counter
from itertools import count
from queue import Empty, SimpleQueue
from threading import Event, Thread
from types import TracebackType

import ray
from ray.exceptions import RayError, RayTaskError
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from filmcli.cluster.hand import Hand
from filmcli.cluster.nodes import Place, places
from filmcli.cluster.order import GO_ON, Order, Ticket
from filmcli.cluster.scratch import sweep
from filmcli.cluster.worker import Facts, facts_here
from filmcli.errors import FilmcliError, MachineError

_log = logging.getLogger(__name__)

_START_SECONDS, _OTHERS_SECONDS = 180, 60
_LOOK_SECONDS = 2.0
_HEAD_SECONDS = 10
_TURN_SECONDS = 0.5
_MOST_DEATHS = 3
_MANY_TIMES = 20
_SLOW_TO_BEGIN = 10
_SWEEP_SECONDS = 20
_LEAVES_SECONDS = 20


class Crew:
    """All workers of a cluster that was `joined`; a context manager.

    They work on `device` with `precision`. One that has said nothing for `least_patience` seconds,
    ten times as many before its first word of an errand, hangs, but not before twenty times the
    longest silence that any of them came back from. Entering
    raises MachineError if there is nobody, or if somebody has another version of what matters.
    """

    def __init__(
        self, device: str = "auto", precision: str = "auto", least_patience: float = 60.0
    ) -> None:
        self._device, self._precision = device, precision
        self._least_patience, self._longest_silence = least_patience, 0.0
        self._hands: dict[Place, Hand] = {}
        self._deaths: Counter[Place] = Counter()
        self._given_up: set[Place] = set()
        self._not_before: dict[Place, float] = {}
        self._inbox: SimpleQueue[Ticket] = SimpleQueue()
        self._tickets: list[Ticket] = []
        self._numbers = count()
        self._looked = self._alone_since = 0.0
        self._refusals = 0
        self._is_over = Event()
        self._foreman = Thread(target=self._lead, name="foreman", daemon=True)
        self._own = facts_here("cpu", "float32")

    def __enter__(self) -> Crew:
        try:
            self._gather()
        except BaseException:
            self._end()
            raise
        self._foreman.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._is_over.set()
        self._foreman.join(_LEAVES_SECONDS)
        self._end()

    @property
    def nodes(self) -> int:
        """How many nodes have a worker that is ready."""
        return len({hand.place.node for hand in list(self._hands.values()) if hand.facts})

    @property
    def workers(self) -> int:
        """How many workers are ready."""
        return sum(hand.facts is not None for hand in list(self._hands.values()))

    def describe(self) -> str:
        """Who the workers are, in words."""
        kinds = Counter(hand.facts.kind for hand in list(self._hands.values()) if hand.facts)
        where = f"on {self.nodes} node{'s' * (self.nodes != 1)}"
        if len(kinds) == 1:
            ((device, _), workers) = kinds.most_common()[0]
            return f"{workers} worker{'s' * (workers != 1)} {where}, {device}"
        each = ", ".join(f"{n} × {' on '.join(filter(None, kind))}" for kind, n in kinds.items())
        return f"mixed workers {where} ({each}), whose pictures may differ in the last bits"

    def work(self, order: Order) -> None:
        """Have an order done; raises what ended it."""
        if not order.todo:
            return
        ticket = Ticket(order, next(self._numbers))
        self._inbox.put(ticket)
        try:
            failure = self._end_of(ticket)
        finally:
            ticket.withdraw()
        if failure is not None:
            raise failure

    def is_idle(self) -> bool:
        """True if a worker is there for whom nothing is left to do."""
        return any(hand.is_idle for hand in list(self._hands.values()))

    def abandon(self) -> None:
        """Give up all orders: who waits for one is interrupted."""
        self._is_over.set()

    def _end_of(self, ticket: Ticket) -> BaseException | None:
        while True:
            with contextlib.suppress(Empty):
                return ticket.end.get(timeout=_LOOK_SECONDS)
            if not self._foreman.is_alive():  # nobody will look at it any more
                raise KeyboardInterrupt

    def _gather(self) -> None:
        """Meet all who are there; who is busy elsewhere may come later."""
        until = time.monotonic() + _START_SECONDS
        while time.monotonic() < until:
            self._look_around()
            new = {hand.waits_for: hand for hand in self._hands.values() if not hand.facts}
            if self._hands and not new:
                return
            for ref in ray.wait(list(new), timeout=_LOOK_SECONDS)[0] if new else ():
                self._meet_first(new[ref])
                until = min(until, time.monotonic() + _OTHERS_SECONDS)
            self._is_over.wait(0 if new else _TURN_SECONDS)
        if not any(hand.facts for hand in self._hands.values()):
            raise MachineError(
                "no worker of the cluster is free",
                f"none has started within {_START_SECONDS} seconds",
                "see `ray status`: others may hold its GPUs and cores",
            )

    def _meet_first(self, hand: Hand) -> None:
        try:
            facts = hand.meet()
        except RayError as error:
            if hand.place not in places(self._device):  # the node is gone
                self._bury(hand, "was lost", error)
                return
            raise MachineError(
                f"node {hand.place.name} cannot work",
                _last_line(error),
                "install filmcli, ffmpeg and torch there as here, or take it out of the cluster",
            ) from error
        if differs := _differing(facts, self._own):
            raise MachineError(
                f"node {hand.place.name} differs from this machine",
                differs,
                "install the same there, or take it out of the cluster",
            )

    def _lead(self) -> None:
        """Give out errands and hear of them until all is over."""
        try:
            while not self._is_over.is_set():
                self._turn()
            self._fail_all(KeyboardInterrupt())
        except BaseException as error:  # whatever it is, those who wait must not wait for ever
            _log.debug("the foreman gave up", exc_info=True)
            self._fail_all(_cluster_gone(error))

    def _turn(self) -> None:
        while True:
            try:
                self._tickets.append(self._inbox.get_nowait())
            except Empty:
                break
        self._tickets = [ticket for ticket in self._tickets if not ticket.is_over]
        if time.monotonic() - self._looked > _LOOK_SECONDS:
            self._look_around()
        self._give_out()
        busy = {hand.waits_for: hand for hand in self._hands.values() if hand.waits_for}
        if not busy:
            self._is_over.wait(_TURN_SECONDS / 10)
            return
        begun = time.monotonic()
        ready, _ = ray.wait(list(busy), timeout=_TURN_SECONDS, fetch_local=False)
        if ready:  # whoever else is
            ready, _ = ray.wait(list(busy), num_returns=len(busy), timeout=0, fetch_local=False)
        # In slices: an hour in which this machine slept is one of them.
        passed = min(time.monotonic() - begun, 2 * _TURN_SECONDS)
        for ref in ready:
            self._attend(busy.pop(ref))
        for hand in busy.values():
            self._watch(hand, passed)

    def _look_around(self) -> None:
        """Start a worker wherever there is room for one and none is."""
        self._looked = time.monotonic()
        if self._head_is_gone():
            return
        for place in places(self._device):
            waits = self._looked < self._not_before.get(place, 0.0)
            if place not in self._hands and place not in self._given_up and not waits:
                self._hands[place] = Hand(place, self._device, self._precision)
        if self._hands:
            self._alone_since = self._looked
        elif self._looked - self._alone_since > self._least_patience:
            self._fail_all(
                MachineError(
                    "no worker of the cluster is left", "its nodes are gone, or failed", GO_ON
                )
            )

    def _head_is_gone(self) -> bool:
        """True while nobody listens where the head was; ConnectionError if that goes on.

        Ray itself would end this process, without a word of what to do.
        """
        head = ray.get_runtime_context().gcs_address
        host, _, port = head.rpartition(":")
        try:
            socket.create_connection((host, int(port)), _LOOK_SECONDS).close()
        except ConnectionRefusedError as error:
            self._refusals += 1
            if self._refusals * _LOOK_SECONDS > _HEAD_SECONDS:
                raise ConnectionError(f"its head, {head}, is gone") from error
            return True
        except OSError:  # it may be busy
            return False
        self._refusals = 0
        return False

    def _give_out(self) -> None:
        """Send every idle worker on the first errand that is left."""
        idle = [hand for hand in self._hands.values() if hand.is_idle]
        for hand in idle:
            ticket = next((ticket for ticket in self._tickets if ticket.left), None)
            if ticket is None:
                return
            index = ticket.left.popleft()
            ticket.out.add(index)
            hand.give(ticket, index)

    def _attend(self, hand: Hand) -> None:
        """Hear what a worker has to say."""
        if hand.facts is None:
            self._meet_later(hand)
            return
        assert hand.errand is not None
        ticket, index = hand.errand
        try:
            said = hand.hear()
        except RayTaskError as error:
            self._again(hand, f"failed ({_last_line(error)})", error.cause)
            return
        except RayError as error:
            self._bury(hand, f"was lost ({type(error).__name__})", error)
            return
        self._longest_silence = max(self._longest_silence, hand.silent_seconds)
        hand.silent_seconds, hand.has_spoken = 0.0, True
        if said:
            ticket.hear(index, said[0], hand.place.name)
        elif bad := ticket.done(index):
            self._again(hand, f"made what is no good ({_last_line(bad)})", bad)
        else:
            self._deaths[hand.place] = 0
            hand.rest()

    def _meet_later(self, hand: Hand) -> None:
        try:
            facts = hand.meet()
        except RayError as error:
            self._bury(hand, f"cannot work: {_last_line(error)}", error)
            return
        if differs := _differing(facts, self._own):
            _log.warning("node %s is not used: %s", hand.place.name, differs)
            self._given_up.add(hand.place)
            self._dismiss(hand)

    def _watch(self, hand: Hand, seconds: float) -> None:
        """Count a worker's silence, and give it up when that is too long beside all others'."""
        if hand.errand is None:
            return
        hand.silent_seconds += seconds
        least = self._least_patience * hand.errand[0].order.slowness
        least *= 1 if hand.has_spoken else _SLOW_TO_BEGIN
        patience = max(least, _MANY_TIMES * self._longest_silence)
        if hand.silent_seconds > patience:
            hangs = MachineError("a worker hangs", f"it said nothing for {patience:.0f} seconds")
            self._bury(hand, f"hangs: {hangs.why}", hangs)

    def _bury(self, hand: Hand, how: str, error: Exception) -> None:
        """A worker is gone: its place may have another, if the node lives and it helps."""
        self._deaths[hand.place] += 1
        # It takes seconds until the cluster knows that a node is gone.
        self._not_before[hand.place] = time.monotonic() + self._least_patience / 3
        if self._deaths[hand.place] >= _MOST_DEATHS:
            self._given_up.add(hand.place)
        if hand.errand is None:
            _log.warning("node %s: a worker %s", hand.place.name, how)
        else:
            self._again(hand, how, error)
        self._dismiss(hand)

    def _dismiss(self, hand: Hand) -> None:
        del self._hands[hand.place]
        hand.kill()

    def _again(self, hand: Hand, how: str, error: BaseException) -> None:
        """What a worker was at is done again, elsewhere if there is an elsewhere."""
        assert hand.errand is not None
        ticket, index = hand.errand
        hand.rest()
        if ticket.lose(index, error):
            name = f"{ticket.order.name}, part {index + 1}"
            _log.warning("node %s: a worker %s; %s is made again", hand.place.name, how, name)

    def _fail_all(self, failure: BaseException) -> None:
        while True:
            try:
                self._tickets.append(self._inbox.get(timeout=0.01))
            except Empty:
                break
        for ticket in self._tickets:
            ticket.finish(failure)
        self._tickets = []

    def _end(self) -> None:
        """Leave no worker, and no file of one that did not leave by itself."""
        if self._refusals:
            return  # without a head Ray ends all of them, and whoever asks would wait
        messy = {hand.place.node for hand in self._hands.values() if hand.leave()}
        self._hands = {}
        _sweep_up(messy)


def _differing(facts: Facts, own: Facts) -> str:
    """What of it makes other pictures than here, in words; empty if nothing does."""
    for name in ("filmcli", "ffmpeg", "torch", "lpips"):
        there, here = getattr(facts, name), getattr(own, name)
        if there != here:
            return f"{name} is {there} there and {here} here"
    return ""


def _last_line(error: BaseException) -> str:
    cause = getattr(error, "cause", None) or error
    if isinstance(cause, FilmcliError):
        return f"{cause.what} {cause.why}".strip()
    lines = [line.strip() for line in str(cause).splitlines() if line.strip()]
    return lines[-1][:200] if lines else type(cause).__name__


def _cluster_gone(error: BaseException) -> BaseException:
    """What ended the foreman, in words if it was the cluster."""
    if isinstance(error, RayError | ConnectionError):
        return MachineError("the cluster does not answer", _last_line(error), GO_ON)
    return error


def _sweep_up(nodes: set[str]) -> None:
    """Remove what killed workers left on these nodes."""
    sweeping = ray.remote(_sweep_twice)
    refs = [
        sweeping.options(
            num_cpus=0, scheduling_strategy=NodeAffinitySchedulingStrategy(node, soft=False)
        ).remote()
        for node in nodes
    ]
    with contextlib.suppress(RayError):
        ray.wait(refs, num_returns=len(refs), timeout=_SWEEP_SECONDS) if refs else None


def _sweep_twice() -> None:
    """Now, and again for what was still held by a process on its way out."""
    sweep()
    time.sleep(0.5)
    sweep()
