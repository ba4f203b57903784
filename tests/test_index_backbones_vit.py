"""Local and hub ViTs."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import huggingface_hub
import numpy as np
import pytest
import timm
import torch
from safetensors.torch import save_file

from index.backbones import load_backbone, vit
from index.views import CROP_SIZE, ObjectView
from ops.errors import BackboneError

ARCHITECTURE = "test_vit"


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("weights") / "tiny.safetensors"
    save_file(timm.create_model(ARCHITECTURE).state_dict(), path)
    return path


def test_local_weights_make_a_backbone(weights: Path) -> None:
    backbone = load_backbone(f"{ARCHITECTURE}:{weights}")
    image = np.full((120, 160, 3), 220, dtype=np.uint8)
    image[40:80, 50:110] = np.random.default_rng(0).integers(0, 120, (40, 60, 3))
    (view,) = backbone.embed([image])
    assert isinstance(view, ObjectView)
    assert view.descriptor.shape == (backbone.dim,)
    assert np.linalg.norm(view.descriptor) == pytest.approx(1, abs=1e-4)
    features = backbone.patches(view.crop[None])
    assert features.shape == (1, backbone.patch_dim, backbone.grid, backbone.grid)
    assert backbone.grid == CROP_SIZE // 16


def test_torch_files_give_the_same_backbone(weights: Path, tmp_path: Path) -> None:
    torch.manual_seed(0)
    torch.save({"state_dict": timm.create_model(ARCHITECTURE).state_dict()}, tmp_path / "tiny.pth")
    other = load_backbone(f"{ARCHITECTURE}:{tmp_path / 'tiny.pth'}")
    assert other.fingerprint == load_backbone(f"{ARCHITECTURE}:{weights}").fingerprint


def test_other_weights_have_another_fingerprint(weights: Path, tmp_path: Path) -> None:
    torch.manual_seed(1)
    save_file(timm.create_model(ARCHITECTURE).state_dict(), tmp_path / "other.safetensors")
    other = load_backbone(f"{ARCHITECTURE}:{tmp_path / 'other.safetensors'}")
    assert other.fingerprint != load_backbone(f"{ARCHITECTURE}:{weights}").fingerprint


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("dino", "choose embedded, dinov2"),
        (f"{ARCHITECTURE}:/nowhere/w.pth", "there is no file"),
        ("no_such_vit:{weights}", "no architecture"),
        ("resnet18:{weights}", "no ViT"),
        ("vit_tiny_patch16_224:{weights}", "don't fit"),
        (f"{ARCHITECTURE}:{{broken}}", "cannot read"),
        (f"{ARCHITECTURE}:{{part}}", "missing"),
    ],
)
def test_what_cannot_be_loaded_is_one_line(name: str, message: str, weights: Path, tmp_path: Path) -> None:
    (tmp_path / "broken.pth").write_bytes(b"not weights")
    state = timm.create_model(ARCHITECTURE).state_dict()
    save_file({"cls_token": state["cls_token"]}, tmp_path / "part.safetensors")
    files = {"weights": weights, "broken": tmp_path / "broken.pth", "part": tmp_path / "part.safetensors"}
    with pytest.raises(BackboneError, match=message) as caught:
        load_backbone(name.format(**files))
    assert "\n" not in str(caught.value)


def test_pickled_code_is_not_run(tmp_path: Path) -> None:
    class Payload:
        def __reduce__(self) -> tuple[Callable[..., object], tuple[object, ...]]:
            return Path.touch, (tmp_path / "ran",)

    torch.save({"state_dict": Payload()}, tmp_path / "evil.pth")
    with pytest.raises(BackboneError, match="cannot read"):
        load_backbone(f"{ARCHITECTURE}:{tmp_path / 'evil.pth'}")
    assert not (tmp_path / "ran").exists()


def test_an_unreachable_hub_fails_fast_and_names_the_way_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(huggingface_hub.constants, "ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setattr(huggingface_hub, "try_to_load_from_cache", lambda *_: None)
    start = time.monotonic()
    with pytest.raises(BackboneError, match=r"can't be reached.*`embedded`") as caught:
        load_backbone("dinov2")
    assert time.monotonic() - start < vit.PROBE_SECONDS + 1
    assert "\n" not in str(caught.value)


def test_a_failing_download_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> str:
        raise OSError("403 Forbidden\nwith a long explanation")

    monkeypatch.setattr(huggingface_hub, "try_to_load_from_cache", lambda *_: None)
    monkeypatch.setattr(huggingface_hub, "hf_hub_download", refuse)
    monkeypatch.setattr(vit, "_probe_hub", lambda: None)
    with pytest.raises(BackboneError, match=r"403 Forbidden\); .*`embedded`"):
        load_backbone("dinov2")


def test_cached_weights_need_no_hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(huggingface_hub, "try_to_load_from_cache", lambda *_: str(tmp_path / "cached"))
    monkeypatch.setattr(vit, "_probe_hub", lambda: pytest.fail("asked the hub"))
    assert vit.fetch_dinov2() == tmp_path / "cached"
