"""Which shapes are like this image, in a library in parts."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from daemon.query import ImageQuery, QueryMatch, rank
from index.library import Library
from index.routing import Routing
from index.stream.batch import Decode
from index.summaries import Page
from index.views import ObjectView

if TYPE_CHECKING:
    from index.backbones import Backbone

ASKED = 2
"""Parts that are asked: of 8 these hold 92 to 99 % of the nearest images."""


@dataclass(frozen=True, slots=True)
class PartedMatch:
    """A cluster near a query image, and the part of the library that it is in."""

    part: int
    match: QueryMatch


class PartedQuery:
    """Asks the parts that lie nearest to an image, and takes the best of their answers."""

    def __init__(
        self,
        libraries: Mapping[int, Library],
        routing: Routing,
        decode: Decode,
        load: Callable[[str], Backbone] | None = None,
    ) -> None:
        """Prepares a query; nothing heavy is loaded yet.

        Args:
            libraries: the parts that can be read here, by number; one at least.
            routing: what tells which part holds what.
            decode: as in `ImageQuery`.
            load: as in `ImageQuery`.
        """
        first, *others = libraries
        self._first = ImageQuery(libraries[first], decode, load)
        shared = {part: ImageQuery(libraries[part], decode, lambda name: self._first.backbone()) for part in others}
        self._queries = {first: self._first, **shared}
        self._routing = routing

    def __call__(self, raw: bytes, limit: int = 10, register: int = 0, asked: int = ASKED) -> Page[PartedMatch]:
        """The nearest clusters of an image's main object in the nearest parts, as `ImageQuery` gives them.

        Args:
            raw: the encoded image.
            limit: clusters at most.
            register: to how many of the nearest shapes to register the image; takes seconds each.
            asked: parts to ask at most.

        Raises:
            RejectError: the image is refused, or no object is found in it.
            FingerprintError: the backbone here is not the one the library was made with.
            BackboneError: the backbone can't be loaded.
        """
        view = self._first.view(raw)
        nearness = self._routing.affinities(np.asarray(view.descriptor, np.float32)[None])[0]
        parts = sorted(self._queries, key=lambda part: -nearness[part])[:asked]
        found = [PartedMatch(part, match) for part in parts for match in self._queries[part].near(view, limit)]
        best = sorted(found, key=lambda one: (-one.match.score, -one.match.votes))[:limit]
        shaped = [one for one in best if one.match.shape is not None][:register]
        done = [self._registered(one, view) if one in shaped else one for one in best]
        return Page(sorted(done, key=lambda one: rank(one.match)), None)

    def _registered(self, one: PartedMatch, view: ObjectView) -> PartedMatch:
        return replace(one, match=self._queries[one.part].register(one.match, view))
