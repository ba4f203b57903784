"""Command line: ``python -m ops.train --photos 'PHOTOS/*.tar'``."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import torch
from rich.console import Console
from rich.progress import MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from safetensors.torch import save_file

from index.backbones.compute import find_device
from index.backbones.foreground import WEIGHTS, ForegroundHead
from ops.errors import ShapelodeError
from ops.train.fit import Step, fit
from ops.train.photos import Picture, read_photos
from ops.train.samples import Samples, photo_samples, procedural_samples, render_scenes
from ops.train.teacher import Teacher

PHOTO_WEIGHT = 0.5


def main(arguments: Sequence[str] | None = None) -> int:
    """Train the head and write its weights; returns the exit status."""
    options = _parser().parse_args(arguments)
    console = Console(stderr=True, soft_wrap=True)
    columns = (TextColumn("{task.description}"), MofNCompleteColumn(), TimeRemainingColumn())
    try:
        with Progress(*columns, console=console) as progress:
            head = train(options, progress)
        save(head, options.out)
    except (ShapelodeError, OSError) as error:
        console.print(f"error: {error}", markup=False)
        return getattr(error, "exit_code", 1)
    Console(soft_wrap=True).print(f"weights in {options.out}")
    return 0


def train(options: argparse.Namespace, progress: Progress) -> ForegroundHead:
    """Make the samples and fit the head to them."""
    device = find_device(options.device)
    photos, teacher = read_photos(options.photos), Teacher(device=options.device)
    samples = _make_samples(options, photos, teacher, progress)
    task = progress.add_task("training")

    def tell(step: Step) -> None:
        text = f"training: loss {step.loss:.3f}, IoU {step.iou:.3f}"
        progress.update(task, completed=step.done, total=step.total, description=text)

    return fit(samples, options.epochs, options.seed, device, tell)


def save(head: ForegroundHead, path: Path) -> None:
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
        description="Train the mask head of the embedded backbone on procedural objects before drawn and photographed\n"
        "backdrops, and on real photos with the masks of the model it replaces. No labels are read.",
        epilog="example: python -m ops.train --photos '../shared/data/caltech/shards/*.tar'\n"
        "takes about half an hour on 2 cores and 6 GiB of memory",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--photos", nargs="+", required=True, metavar="PATTERN", help="shards of ordinary photos")
    parser.add_argument("--scenes", type=int, default=3600, help="pictures to render (default 3600)")
    parser.add_argument("--real", type=int, default=700, help="photos to learn from (default 700)")
    parser.add_argument("--epochs", type=int, default=4, help="passes over all samples (default 4)")
    parser.add_argument("--seed", type=int, default=0, help="draws everything (default 0)")
    parser.add_argument("--device", default="cpu", help="torch device (default cpu)")
    parser.add_argument("--out", type=Path, default=WEIGHTS, help="file to write (default: the one that ships)")
    return parser


if __name__ == "__main__":
    raise SystemExit(main())
