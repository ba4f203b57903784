"""Which shapes are like this image: decode, embed, look for neighbours, name their shapes."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from threading import Lock
from typing import TYPE_CHECKING

from daemon.registration import Registration, register_view
from index.library import Library
from index.stream.batch import Decode
from index.stream.embed import in_original
from index.summaries import Page, QueryHit, ShapeSummary
from index.views import ObjectView
from ops.errors import FingerprintError, RejectError

if TYPE_CHECKING:
    from index.backbones import Backbone
    from index.search import SimilaritySearch

MAX_SIDE = 512
"""Query images are shrunk to this many pixels, as images of the stream are."""


@dataclass(frozen=True, slots=True)
class QueryMatch:
    """A cluster near a query image, with its published shape if it has one.

    ``score`` is the best cosine similarity of the cluster's images, ``votes`` how many of the nearest
    images are in it; ``registration`` tells from where the image was taken, for the matches it was asked for.
    """

    cluster: int
    score: float
    votes: int
    size: int
    nearest_image: int
    shape: ShapeSummary | None
    registration: Registration | None = None


class ImageQuery:
    """Answers queries by image; loads the library's backbone on the first and keeps it.

    The backbone runs in one thread: OpenMP keeps a team of workers for each thread that computes, and with more of them
    than cores each step waits for the scheduler.
    """

    def __init__(self, library: Library, decode: Decode, load: Callable[[str], Backbone] | None = None) -> None:
        """Prepares a query; nothing heavy is loaded yet.

        Args:
            library: what is searched.
            decode: what decodes images; for images of strangers a `DecoderPool`.
            load: gets a backbone by name, by default `index.backbones.load_backbone`.
        """
        self._library = library
        self._decode = decode
        self._load = load or _load
        self._backbone: Backbone | None = None
        self._search: SimilaritySearch | None = None
        self._lock = Lock()
        self._turns = Lock()
        self._encoder = ThreadPoolExecutor(1, "encoder")

    def __call__(self, raw: bytes, limit: int = 10, register: int = 0) -> Page[QueryMatch]:
        """The nearest clusters of an image's main object, best first, on one page.

        Those that the image is registered to come first, by loss, unless it seems a stranger to them; the others by
        similarity.

        Args:
            raw: the encoded image.
            limit: clusters at most.
            register: to how many of the nearest shapes to register the image; takes seconds each.

        Raises:
            RejectError: the image is refused, or no object is found in it.
            FingerprintError: the backbone here is not the one the library was made with.
            BackboneError: the backbone can't be loaded.
        """
        view = self.view(raw)
        matches = self.near(view, limit)
        chosen = {match.cluster for match in [match for match in matches if match.shape is not None][:register]}
        done = [self.register(match, view) if match.cluster in chosen else match for match in matches]
        return Page(sorted(done, key=rank), None)

    def view(self, raw: bytes) -> ObjectView:
        """The main object of an image, described; its box in pixels of the image as it was given.

        Raises:
            RejectError: the image is refused, or no object is found in it.
            FingerprintError: the backbone here is not the one the library was made with.
            BackboneError: the backbone can't be loaded.
        """
        pixels, size = self._decode(raw, MAX_SIDE)
        found = self._encoder.submit(self.backbone().embed, [pixels]).result()[0]
        if isinstance(found, RejectError):
            raise found
        return in_original(found, size)

    def near(self, view: ObjectView, limit: int) -> list[QueryMatch]:
        """The clusters nearest to an object, best first."""
        return [self._match(hit) for hit in self._neighbours().query(view.descriptor)[:limit]]

    def register(self, match: QueryMatch, view: ObjectView) -> QueryMatch:
        """The match with the place that the object was taken from; it must have a shape."""
        assert match.shape is not None
        with self._turns:  # registering takes all cores; two at once would only take twice as long
            found = register_view(self._library, self.backbone(), view, match.cluster, match.shape.version)
        return replace(match, registration=found)

    def backbone(self) -> Backbone:
        """The library's backbone, loaded when it is needed first.

        Raises:
            FingerprintError: the backbone here is not the one the library was made with.
            BackboneError: the backbone can't be loaded.
        """
        return self._backbone or self._encoder.submit(self._loaded).result()

    def _loaded(self) -> Backbone:
        if self._backbone is None:
            status = self._library.status()
            backbone = self._load(status.backbone)
            if backbone.fingerprint != status.fingerprint:
                raise FingerprintError(
                    f"the library was made with backbone {status.backbone} ({status.fingerprint}), the one "
                    f"installed here is {backbone.fingerprint}; their descriptors can't be compared"
                )
            self._backbone = backbone
        return self._backbone

    def _neighbours(self) -> SimilaritySearch:
        from index.search import SimilaritySearch  # FAISS takes long to import

        with self._lock:
            if self._search is None:
                self._search = SimilaritySearch(self._library)
            return self._search

    def _match(self, hit: QueryHit) -> QueryMatch:
        shape = self._library.shape(hit.cluster, hit.version) if hit.version else None
        return QueryMatch(hit.cluster, hit.score, hit.votes, hit.size, hit.nearest_image, shape)


def rank(match: QueryMatch) -> tuple[bool, float]:
    """Registered matches first, by loss; the sort is stable, so the others stay in their order."""
    found = match.registration
    return (False, found.loss) if found is not None and not found.stranger else (True, 0.0)


def _load(name: str) -> Backbone:
    from index.backbones import load_backbone  # torch takes seconds to import

    return load_backbone(name)
