"""The mask head that the trained one replaces."""

from __future__ import annotations

import torch
from torch import nn

from ops.train.saliency import SaliencyHead


def test_the_map_has_the_asked_size_and_range() -> None:
    head = SaliencyHead(dim=8, widths=(6, 4, 2)).eval()
    with torch.inference_mode():
        saliency = head(torch.randn(3, 8, 5, 5), 70)
    assert saliency.shape == (3, 70, 70)
    assert saliency.min() >= 0 and saliency.max() <= 1


def test_a_bright_patch_lights_up_its_own_place() -> None:
    torch.manual_seed(0)
    head = SaliencyHead(dim=1, widths=(1, 1, 1)).eval()
    with torch.no_grad():
        for module in head.modules():
            if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
                module.weight.fill_(0.3)
                module.bias.zero_()
        patches = torch.zeros(1, 1, 4, 4)
        patches[0, 0, 1, 2] = 5.0
        saliency = head(patches, 32)[0]
    rows, columns = torch.nonzero(saliency > (saliency.min() + saliency.max()) / 2, as_tuple=True)
    assert 10 <= rows.float().mean() <= 13
    assert 18 <= columns.float().mean() <= 21
