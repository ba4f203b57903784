"""Photograph a shape: random materials, light, camera and backdrop, antialiased by supersampling."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from ops.synth.backdrop import Backdrop, random_backdrop
from ops.synth.camera import Camera, random_camera, rotation
from ops.synth.primitives import Array
from ops.synth.raster import Fragments, rasterise
from ops.synth.shapes import Shape
from ops.synth.texture import Material, random_material

SUPERSAMPLING = 2


@dataclass(frozen=True, slots=True)
class Photo:
    """One rendered image with its truth.

    Attributes:
        image: ``(S, S, 3)`` uint8 RGB.
        mask: ``(S, S)`` bool, pixels at least half covered by the object.
        background: ``plain``, ``blurred`` or ``clutter``.
        camera: the camera it was taken with.
    """

    image: NDArray[np.uint8]
    mask: NDArray[np.bool_]
    background: str
    camera: Camera


@dataclass(frozen=True, slots=True)
class _Light:
    direction: Array
    strength: float
    ambient: float
    tint: Array


def photograph(shape: Shape, rng: np.random.Generator, size: int = 256, backdrop: Backdrop = random_backdrop) -> Photo:
    """Take one random 'web photo' of a shape.

    Args:
        shape: what stands in it.
        rng: draws materials, light, camera and backdrop.
        size: side in pixels.
        backdrop: gives what is behind.
    """
    camera = random_camera(rng, shape.vertices)
    materials = [random_material(rng) for _ in range(int(shape.parts.max()) + 1)]
    light = _random_light(rng, camera.azimuth)
    background, scene = backdrop(rng, size)
    scene = _shadowed(scene, shape, camera, light, rng.uniform(0.1, 0.5))
    fine = size * SUPERSAMPLING
    points, depth = camera.project(shape.vertices, fine)
    fragments = rasterise(points, 1 / depth, shape.faces, fine)
    colours = _shade(shape, fragments, camera, materials, light)
    picture, coverage = _average(fragments.pixels, colours, size)
    picture = picture + (1 - coverage) * scene
    return Photo(_develop(picture, rng), coverage[..., 0] >= 0.5, background, camera)


def _random_light(rng: np.random.Generator, azimuth: float) -> _Light:
    """A lamp somewhere above and, more often than not, on the camera's side of the object."""
    seen = np.array([rng.normal(0, 0.7), rng.uniform(0.4, 1.2), rng.normal(0.5, 0.6)])
    direction = rotation(azimuth, 0, 0).T @ (seen / np.linalg.norm(seen))
    tint = 1 + rng.uniform(-0.08, 0.08, 3)
    return _Light(direction, rng.uniform(0.6, 1.0), rng.uniform(0.4, 0.6), tint)


def _shade(shape: Shape, fragments: Fragments, camera: Camera, materials: list[Material], light: _Light) -> Array:
    """Colours ``(N, 3)`` of the fragments: lambertian, sky light from above and a Blinn highlight."""
    corners = shape.vertices[shape.faces[fragments.faces]]
    points = np.einsum("nk,nkd->nd", fragments.weights, corners)
    normals = np.einsum("nk,nkd->nd", fragments.weights, shape.normals[fragments.faces])
    normals /= np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-9)
    diffuse = light.strength * np.maximum(normals @ light.direction, 0)
    sky = light.ambient * (0.75 + 0.25 * normals[:, 1])
    eye = -camera.R.T @ camera.t - points
    half = eye / np.linalg.norm(eye, axis=1, keepdims=True) + light.direction
    half /= np.maximum(np.linalg.norm(half, axis=1, keepdims=True), 1e-9)
    shine = np.maximum(np.einsum("nd,nd->n", normals, half), 0) ** 30
    colours = np.zeros_like(points)
    for part, material in enumerate(materials):
        mine = shape.parts[fragments.faces] == part
        albedo = material.colour(points[mine], normals[mine])
        colours[mine] = albedo * (diffuse + sky)[mine, None] + material.gloss * shine[mine, None]
    tinted: Array = colours * light.tint
    return tinted


def _average(pixels: NDArray[np.int64], colours: Array, size: int) -> tuple[Array, Array]:
    """Box-filter fragments to ``(S, S, 3)`` premultiplied colours and ``(S, S, 1)`` coverage."""
    fine = np.zeros((size * SUPERSAMPLING * size * SUPERSAMPLING, 4))
    fine[pixels, :3], fine[pixels, 3] = np.clip(colours, 0, 1), 1
    blocks = fine.reshape(size, SUPERSAMPLING, size, SUPERSAMPLING, 4).mean((1, 3))
    return blocks[..., :3], blocks[..., 3:]


def _shadowed(scene: Array, shape: Shape, camera: Camera, light: _Light, darkness: float) -> Array:
    """Darken the backdrop where the object's soft shadow falls on the ground under it."""
    size = len(scene)
    coarse = size // 4
    ground = shape.vertices[:, 1].min()
    fall = (shape.vertices[:, 1:2] - ground) / max(light.direction[1], 0.3)
    points, depth = camera.project(shape.vertices - fall * light.direction, coarse)
    if depth.min() <= 0.05 or camera.elevation < 2:
        return scene
    cover = np.zeros(coarse * coarse, dtype=np.uint8)
    cover[rasterise(points, 1 / depth, shape.faces, coarse, cull=False).pixels] = 255
    soft = Image.fromarray(cover.reshape(coarse, coarse)).filter(ImageFilter.GaussianBlur(1.5))
    large = np.asarray(soft.resize((size, size), Image.Resampling.BILINEAR), dtype=float) / 255
    return scene * (1 - darkness * large[..., None])


def _develop(picture: Array, rng: np.random.Generator) -> NDArray[np.uint8]:
    """Exposure and sensor noise, then 8 bits."""
    exposed = picture * rng.uniform(0.9, 1.1) + rng.normal(0, rng.uniform(0.002, 0.015), picture.shape)
    return np.asarray(np.clip(exposed * 255 + 0.5, 0, 255), dtype=np.uint8)
