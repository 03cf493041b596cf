"""What is learned of coded pictures while they pass: their shapes, and what is stored beside them.

ffmpeg's `showinfo` filter tells it, one picture after the other, at the head of the filters.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from fractions import Fraction

from filmcli.frames import Shape
from filmcli.video.codecs import Encoding

CAPTIONS = "A/53 closed captions"
SPHERICAL = "spherical information"
STEREO = "stereoscopic information"
_HDR = ("mastering display", "Content Light Level information")
_NAMES = {
    "Content Light Level information": "content light level",
    CAPTIONS: "captions inside the pictures (CEA-608, CEA-708)",
    SPHERICAL: "marks of a spherical film (360 degrees)",
    STEREO: "marks of a stereoscopic film (3D)",
    "afd": "active format description",
    "SMPTE ST 12-1": "time codes of the pictures",
    "unknown side data type: 15": "colour profile (ICC)",
}
# Words of the encoder about itself; what is carried by other roads, or named by them; and MPEG-2's
# time code of a group of pictures, which every such film has, and mostly from zero.
_PASSED_OVER = (
    *("User Data Unregistered", "displaymatrix", "GOP timecode", "pan/scan"),
    *("HDR10+ metadata", "Dolby Vision Metadata", "unknown side data type: 23"),
)
_SHAPE = re.compile(r"\[Parsed_showinfo_0 @ [^]]*\] n: .* sar:(\d+)/(\d+) s:(\d+)x(\d+) ")
_BESIDE = re.compile(r"\[Parsed_showinfo_0 @ [^]]*\] *side data - (unknown[^:]*: \d+|[^:(]+)")


@dataclass
class Seen:
    """How many pictures have each shape, and how many have each kind of thing beside them."""

    shapes: Counter[Shape] = field(default_factory=Counter)
    beside: Counter[str] = field(default_factory=Counter)

    def read_line(self, line: str) -> None:
        """Take in a line of ffmpeg's."""
        if match := _SHAPE.search(line):
            over, under, width, height = map(int, match.groups())
            pixel = Fraction(over, under) if over and under else Fraction(1)
            self.shapes[Shape(width, height, pixel)] += 1
        elif match := _BESIDE.search(line):
            self.beside[match[1].partition(" - ")[0].strip()] += 1


def lost_beside(
    beside: Iterable[str], encoding: Encoding, carried: Sequence[str] = ()
) -> Iterator[str]:
    """Names of the things `beside` the pictures of a film that one coded so does not have.

    Kinds that are `carried` by other means are none of them.
    """
    kept = _HDR if encoding.encoder == "libx265" else ()
    for kind in beside:
        if kind not in (*_PASSED_OVER, *kept, *carried):
            yield _NAMES.get(kind, kind)
