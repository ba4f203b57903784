from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ops.bench.pictures import draw_library
from ops.errors import NotFoundError
from tests.batches import open_ingest
from tests.library_factory import Plan, make_library


def test_shapes_are_drawn_beside_their_photos(tmp_path: Path) -> None:
    make_library(tmp_path / "library", Plan())
    drawn = draw_library(tmp_path / "library", tmp_path / "docs" / "out.png", shapes=2)
    picture = np.asarray(Image.open(tmp_path / "docs" / "out.png"))
    assert 1 <= drawn <= 2
    assert picture.shape[0] == 128 and np.unique(picture.reshape(-1, 3), axis=0).shape[0] > 20


def test_a_library_without_shapes_is_an_error(tmp_path: Path) -> None:
    open_ingest(tmp_path / "empty").close()
    with pytest.raises(NotFoundError, match="no shape to draw"):
        draw_library(tmp_path / "empty", tmp_path / "out.png")
