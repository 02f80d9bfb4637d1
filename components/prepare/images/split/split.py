"""From one folder of images to a training and a test folder.

On private data the split is 1-stable, as tabular.split's is. replace_one: by position in the order of the files' names,
which neighbours share, since one has another image, maybe of another class, under the same name; so names must differ
across classes. add_remove: by a coin for each file, thrown by a hash of seed and path, on which no other file has an
influence.
"""

import argparse
import hashlib
import shutil
from functools import partial
from pathlib import Path

import numpy as np
from common import entry, files, images
from common import facts as facts_of
from common.facts import Facts
from common.images import Image


def main(options: argparse.Namespace) -> None:
    facts = facts_of.load(options.facts)
    found = images.listing(options.images, facts)
    classes = None if options.classes is None else entry.value(options.classes)
    if classes is not None:
        found = of_classes(found, classes, facts)
    tested = choose(found, options.test_size, options.seed, options.stratify, facts)
    if tested.all() or not tested.any():
        raise entry.Refusal("a part of the split is empty; change test_size or give more images")
    for target, chosen in ((options.train, ~tested), (options.test, tested)):
        part = [image for image, there in zip(found, chosen.tolist(), strict=True) if there]
        files.write_folder(target, partial(copied, options.images, part))
    print(f"train {int((~tested).sum())} images, test {int(tested.sum())} images")


def of_classes(found: list[Image], classes: object, facts: Facts | None) -> list[Image]:
    """The images of some classes. Raises Refusal for a class without images, and on private data."""
    if not isinstance(classes, list) or not classes:
        raise entry.Refusal('classes is a list of names, such as ["0", "1"]')
    if facts is not None and facts.private is not None:
        raise entry.Refusal("a choice of classes of private images is not 1-stable; leave out classes")
    wanted = {str(name) for name in classes}
    absent = sorted(wanted - {image.label for image in found})
    if absent:
        raise entry.Refusal(f"there are no images of the class {absent[0]!r}")
    return [image for image in found if image.label in wanted]


def choose(found: list[Image], share: float, seed: int, stratify: bool, facts: Facts | None) -> np.ndarray:
    """True for the images of the test part, in the listing's order."""
    if not 0 < share < 1:
        raise entry.Refusal(f"test_size must lie between 0 and 1, found {share}")
    if seed < 0:
        raise entry.Refusal(f"seed must not be negative, found {seed}")
    private = facts.private if facts is not None else None
    if stratify and private is not None:
        raise entry.Refusal("a split of private images by class is not 1-stable; leave out stratify")
    if private is not None and private.neighbours == "add_remove":
        return np.array([coin(image, seed) < share for image in found])
    if private is not None:
        names = [Path(image.path).name for image in found]
        if len(set(names)) < len(names):
            raise entry.Refusal("two private images of different classes have one file name; give each its own")
        order = np.argsort(np.array(names, dtype=object), kind="stable")
        return by_position(len(found), share, seed)[np.argsort(order)]
    tested = np.zeros(len(found), dtype=bool)
    labels = np.array([image.label if stratify else "" for image in found])
    for place, label in enumerate(sorted(set(labels.tolist()))):
        those = np.flatnonzero(labels == label)
        tested[those] = by_position(len(those), share, seed + place)
    return tested


def by_position(count: int, share: float, seed: int) -> np.ndarray:
    """`share` of the positions (rounded to whole images), a seeded choice that sees no image."""
    tested = np.zeros(count, dtype=bool)
    tested[np.random.default_rng(seed).permutation(count)[: round(share * count)]] = True
    return tested


def coin(image: Image, seed: int) -> float:
    """A number in [0, 1) that depends on seed and path alone."""
    digest = hashlib.blake2b(repr((seed, image.path)).encode(), digest_size=8).digest()
    return int.from_bytes(digest) / 2**64


def copied(source: Path, part: list[Image], folder: Path) -> None:
    """The images of one part, byte for byte."""
    for image in part:
        (folder / image.label).mkdir(exist_ok=True)
        shutil.copyfile(source / image.path, folder / image.path)


if __name__ == "__main__":
    arguments = entry.parser("Split a folder of images into a training and a test part.")
    arguments.add_argument("--images", type=Path, required=True)
    arguments.add_argument("--test-size", type=float, default=0.2)
    arguments.add_argument("--seed", type=int, default=0)
    arguments.add_argument("--stratify", type=entry.boolean, default=False)
    arguments.add_argument("--classes")
    arguments.add_argument("--facts", type=Path)
    arguments.add_argument("--train", type=Path, required=True)
    arguments.add_argument("--test", type=Path, required=True)
    entry.run(main, arguments)
