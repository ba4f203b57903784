"""Command line: ``python -m ops.train foreground|viewpoint|metric --photos 'PHOTOS/*.tar'``."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import torch
from rich.console import Console
from rich.progress import MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from safetensors.torch import save_file
from torch import nn

from index.backbones import foreground, viewpoint
from index.backbones.compute import find_device
from index.backbones.embedded import EmbeddedBackbone
from index.clustering.metric import METRICS
from ops.errors import ShapelodeError
from ops.train.fit import Step, fit
from ops.train.fronts import front_samples
from ops.train.photos import Picture, read_photos
from ops.train.samples import Samples, photo_samples, procedural_samples, render_scenes
from ops.train.teacher import Teacher
from ops.train.turn import Turn, fit_viewpoint
from ops.train.within import describe_things, fit_metric, save_metric

PHOTO_WEIGHT = 0.5


def main(arguments: Sequence[str] | None = None) -> int:
    """Train a head and write its weights; returns the exit status."""
    options = _parser().parse_args(arguments)
    console = Console(stderr=True, soft_wrap=True)
    columns = (TextColumn("{task.description}"), MofNCompleteColumn(), TimeRemainingColumn())
    try:
        with Progress(*columns, console=console) as progress:
            options.train(options, progress)
    except (ShapelodeError, OSError) as error:
        console.print(f"error: {error}", markup=False)
        return getattr(error, "exit_code", 1)
    Console(soft_wrap=True).print(f"weights in {options.out}")
    return 0


def train_foreground(options: argparse.Namespace, progress: Progress) -> None:
    """Make the samples, fit the mask head to them and write it."""
    device = find_device(options.device)
    photos, teacher = read_photos(options.photos), Teacher(device=options.device)
    samples = _make_samples(options, photos, teacher, progress)
    task = progress.add_task("training")

    def tell(step: Step) -> None:
        text = f"training: loss {step.loss:.3f}, IoU {step.iou:.3f}"
        progress.update(task, completed=step.done, total=step.total, description=text)

    save(fit(samples, options.epochs, options.seed, device, tell), options.out)


def train_viewpoint(options: argparse.Namespace, progress: Progress) -> None:
    """Make the samples, fit the viewpoint head to them and write it."""
    device = find_device(options.device)
    photos, backbone = read_photos(options.photos), EmbeddedBackbone(device=options.device)
    task = progress.add_task("rendering things", total=options.things)
    samples = front_samples(backbone, photos, options.things, options.seed, lambda: progress.advance(task))
    task = progress.add_task("training")

    def tell(turn: Turn) -> None:
        text = f"training: loss {turn.loss:.3f}, within 30 degrees {turn.near:.2f}"
        progress.update(task, completed=turn.done, total=turn.total, description=text)

    save(fit_viewpoint(samples, options.epochs, options.seed, device, tell), options.out)


def train_metric(options: argparse.Namespace, progress: Progress) -> None:
    """Describe pictures of things, learn how those of one thing differ, and write it."""
    photos, backbone = read_photos(options.photos), EmbeddedBackbone(device=options.device)
    task = progress.add_task("rendering things", total=options.things)
    rows, things = describe_things(backbone, photos, options.things, options.seed, lambda: progress.advance(task))
    save_metric(fit_metric(rows, things), backbone.fingerprint, options.out)


def save(head: nn.Module, path: Path) -> None:
    """Write the weights in half precision."""
    save_file({name: value.half().cpu().contiguous() for name, value in head.state_dict().items()}, path)


def _make_samples(
    options: argparse.Namespace, photos: list[Picture], teacher: Teacher, progress: Progress
) -> list[Samples]:
    task = progress.add_task("rendering scenes", total=options.scenes)
    scenes = render_scenes(options.scenes, photos, options.seed, lambda: progress.advance(task))
    samples = procedural_samples(teacher, scenes, options.seed)
    order = torch.randperm(len(photos), generator=torch.Generator().manual_seed(options.seed))
    return samples + photo_samples(teacher, [photos[place] for place in order[: options.real]], PHOTO_WEIGHT)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m ops.train",
        description="Train the heads that ship with the embedded backbone. No labels are read.",
        epilog="examples:\n"
        "  python -m ops.train foreground --photos '../shared/data/caltech/shards/*.tar'\n"
        "  python -m ops.train viewpoint --photos '../shared/data/caltech/shards/*.tar'\n"
        "  python -m ops.train metric --photos '../shared/data/caltech/shards/*.tar' --seed 1\n"
        "each takes about half an hour on 2 cores and 6 GiB of memory",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    heads = parser.add_subparsers(required=True, metavar="HEAD")
    mask = heads.add_parser("foreground", help="masks, from procedural objects and real photos with the masks of the "
                            "model the head replaces")  # fmt: skip
    mask.add_argument("--scenes", type=int, default=3600, help="pictures to render (default 3600)")
    mask.add_argument("--real", type=int, default=700, help="photos to learn from (default 700)")
    mask.set_defaults(train=train_foreground)
    _add_common(mask, epochs=4, out=foreground.WEIGHTS)
    side = heads.add_parser("viewpoint", help="the side an object is seen from, from procedural things with a front")
    side.add_argument("--things", type=int, default=12000, help="things to render (default 12000)")
    side.set_defaults(train=train_viewpoint)
    _add_common(side, epochs=16, out=viewpoint.WEIGHTS)
    metric = heads.add_parser("metric", help="what tells shapes apart in descriptors, from procedural things seen from "
                              "several sides")  # fmt: skip
    metric.add_argument("--things", type=int, default=500, help="things to render (default 500)")
    metric.set_defaults(train=train_metric)
    _add_common(metric, out=METRICS / f"{EmbeddedBackbone.name}.safetensors")
    return parser


def _add_common(parser: argparse.ArgumentParser, *, out: Path, epochs: int | None = None) -> None:
    parser.add_argument("--photos", nargs="+", required=True, metavar="PATTERN", help="shards of ordinary photos")
    if epochs is not None:
        parser.add_argument("--epochs", type=int, default=epochs, help=f"passes over all samples (default {epochs})")
    parser.add_argument("--seed", type=int, default=0, help="draws everything (default 0)")
    parser.add_argument("--device", default="cpu", help="torch device (default cpu)")
    parser.add_argument("--out", type=Path, default=out, help="file to write (default: the one that ships)")


if __name__ == "__main__":
    raise SystemExit(main())
