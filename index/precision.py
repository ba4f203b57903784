"""What an encoder computes in; apart from the encoders, for processes that must not load torch."""

from __future__ import annotations

from typing import Literal

Precision = Literal["auto", "fp32", "bf16", "int8"]
"""``auto`` is bfloat16 where the hardware has it, else float32; ``int8`` is for `embedded` on processors."""
