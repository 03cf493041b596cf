"""What programs are told: one JSON object a line on standard output."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

import click

from filmcli.cli.console import show_error
from filmcli.errors import FilmcliError

if TYPE_CHECKING:
    from filmcli.adaptation.scene import SceneAdaptation
    from filmcli.page.pair import Written
    from filmcli.pipeline.making import Progress
    from filmcli.pipeline.plan import Plan
    from filmcli.pipeline.upsample import Event

_EVERY_SECONDS = 1.0


class JsonTeller:
    """One JSON object a line on standard output, for programs."""

    def __init__(self) -> None:
        self._told = 0.0

    def __call__(self, event: Event) -> None:
        """Hear of one event; progress is told at most once a second."""
        from filmcli.adaptation.film import Adapted
        from filmcli.pipeline.estimate import Estimate
        from filmcli.pipeline.making import Progress
        from filmcli.pipeline.plan import Plan
        from filmcli.pipeline.upsample import Result
        from filmcli.survey.firstpass import Surveying

        match event:
            case Surveying():
                return
            case Adapted():
                self.tell("scene", source=event.source, **scene_facts(event.scene))
            case Plan():
                self.tell("plan", **_plan_facts(event))
            case Estimate():
                self.tell("estimate", **vars(event), seconds=event.seconds)
            case Progress():
                now = time.monotonic()
                if now - self._told >= _EVERY_SECONDS or event.done == event.total:
                    self._told = now
                    self.tell("progress", **_progress_facts(event))
            case Result():
                facts = {**vars(event), "duration": float(event.duration)}
                self.tell("skipped" if facts.pop("skipped") else "done", **facts)

    def tell(self, event: str, **facts: Any) -> None:
        """Print one object; `v` is the version of this format."""
        click.echo(json.dumps({"v": 1, "event": event, **facts}))

    def fail(self, source: str, failure: FilmcliError) -> None:
        """Tell why a film was given up; the other ones go on."""
        self.tell("error", source=source, exit_code=failure.exit_code, text=str(failure))
        show_error(failure)

    def page(self, page: Written) -> None:
        """Tell of the page of a film."""
        self.tell("page", **vars(page))

    def close(self) -> None:
        """Nothing is kept open."""


def scene_facts(scene: SceneAdaptation) -> dict[str, Any]:
    """Return what is told of a scene's adaptation to programs."""
    facts = {**vars(scene), "kept": scene.deltas is not None}
    del facts["deltas"]
    return facts


def _progress_facts(at: Progress) -> dict[str, Any]:
    """Return what is told of progress to programs: nodes only where there are any."""
    return {k: v for k, v in vars(at).items() if at.nodes or k not in ("node", "nodes")}


def _plan_facts(plan: Plan) -> dict[str, Any]:
    timeline = plan.timeline
    return {
        "source": plan.source,
        "output": plan.output,
        "width": plan.info.width,
        "height": plan.info.height,
        "rate": str(timeline.rate),
        "source_frames": timeline.shown[1] - timeline.shown[0] + len(plan.found.repeats),
        "repeats": len(plan.found.repeats) if plan.dedupe else None,
        "frames": timeline.count,
        "scenes": timeline.scenes,
        "steps": list(plan.steps),
        "segments": len(plan.segments),
        **{kind: plan.kinds[kind] for kind in ("keep", "make", "hold")},
        "device": plan.device,
        "encoding": plan.written_as,
        "notices": list(plan.notices),
    }
