"""Images of one cluster in, cameras and a shape out; a plain library without Ray or HTTP."""

from __future__ import annotations

from recon.camera import Placement, join_cameras
from recon.challenge import challenge
from recon.config import ReconConfig, Stage
from recon.evidence import FeatureBasis
from recon.export import MeshFormat, mesh_to_bytes
from recon.given import fitted_rows
from recon.overlay import render_overlay
from recon.pipeline import reconstruct
from recon.preview import render_preview, render_turntable
from recon.progress import Progress, ProgressCallback
from recon.register import register
from recon.result import Reconstruction, Shape, VoxelField
from recon.structure import Structure, find_structure
from recon.types import Alternatives, Cameras, Mesh, Quality, Verdict, Viewpoints, Views

__all__ = [
    "Alternatives",
    "Cameras",
    "FeatureBasis",
    "Mesh",
    "MeshFormat",
    "Placement",
    "Progress",
    "ProgressCallback",
    "Quality",
    "ReconConfig",
    "Reconstruction",
    "Shape",
    "Stage",
    "Structure",
    "Verdict",
    "Viewpoints",
    "Views",
    "VoxelField",
    "challenge",
    "find_structure",
    "fitted_rows",
    "join_cameras",
    "mesh_to_bytes",
    "reconstruct",
    "register",
    "render_overlay",
    "render_preview",
    "render_turntable",
]
