"""From arrays of pixels, or a table with a column for each pixel, to PNG files in a folder for each class."""

import argparse
import re
import zipfile
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
from common import encoding, entry, files, images, rows, tables
from common import facts as facts_of
from common.facts import Facts

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_. -]{0,99}")


def main(options: argparse.Namespace) -> None:
    facts = facts_of.load(options.facts)
    if (options.arrays is None) == (options.table is None):
        raise entry.Refusal("give either `arrays` or `table`")
    if options.arrays is not None:
        pixels, labels = of_archive(options.arrays)
        brightest = options.maximum
    else:
        pixels, labels, brightest = of_table(options, facts)
    names = [spelled(label) for label in labels]
    bright = as_bytes(pixels, brightest)
    files.write_folder(options.images, lambda folder: images.write(folder, bright, names))
    height, width = bright.shape[1:3]
    print(f"{len(bright)} images of {height} x {width} pixels")
    for name, count in sorted(Counter(names).items()):
        print(f"  {name}: {count}")


def of_archive(path: Path) -> tuple[np.ndarray, list[Any]]:
    """`images` and `labels` of an .npz archive; nothing in it is unpickled."""
    try:
        with np.load(path, allow_pickle=False) as archive:
            absent = [name for name in ("images", "labels") if name not in archive]
            if absent:
                raise entry.Refusal(f"{path} has no array `{absent[0]}`; write it with numpy.savez(images=…, labels=…)")
            pixels, labels = archive["images"], archive["labels"]
    except (OSError, ValueError, zipfile.BadZipFile, TypeError, AttributeError):
        raise entry.Refusal(f"{path} is no .npz archive of plain arrays; write it with numpy.savez") from None
    if pixels.ndim not in (3, 4) or (pixels.ndim == 4 and pixels.shape[-1] not in (1, 3)) or not pixels.size:
        raise entry.Refusal(
            f"`images` has the shape {pixels.shape}; expected (images, height, width[, 1 or 3 channels])"
        )
    if labels.ndim != 1 or len(labels) != len(pixels):
        raise entry.Refusal(
            f"`labels` has the shape {labels.shape}; expected one label for each of {len(pixels)} images"
        )
    if pixels.dtype.kind not in "buif":
        raise entry.Refusal(f"`images` holds {pixels.dtype}, not numbers")
    return pixels, labels.tolist()


def of_table(options: argparse.Namespace, facts: Facts | None) -> tuple[np.ndarray, list[Any], float | None]:
    """Pixels and labels of a table, and the brightest value: that given, or the largest maximum of the schema."""
    if options.channels not in images.MODES:
        raise entry.Refusal(f"channels is 1 (grey) or 3 (red, green, blue), found {options.channels}")
    table = tables.read(options.table, facts)
    rows.check(table, facts)
    labels = encoding.target(table, facts).tolist()
    frame = encoding.features(table, facts)
    try:
        flat = frame.to_numpy(dtype=np.float64)
    except (TypeError, ValueError):
        raise entry.Refusal("a pixel column does not hold numbers; list the pixels as the data's `features`") from None
    count = flat.shape[1] // options.channels
    height = options.height or round(count**0.5)
    if height * options.channels * (count // height) != flat.shape[1]:
        raise entry.Refusal(
            f"{flat.shape[1]} columns are no images of height {height} and {options.channels} channels; say `height`"
        )
    brightest = options.maximum
    if brightest is None and facts is not None:
        known = [facts.columns[name].maximum for name in frame.columns if name in facts.columns]
        bounds = [bound for bound in known if bound is not None]
        brightest = max(bounds) if bounds else None
    return flat.reshape(len(flat), height, count // height, options.channels), labels, brightest


def as_bytes(pixels: np.ndarray, brightest: float | None) -> np.ndarray:
    """Pixels as bytes, `brightest` becoming 255. Raises Refusal for values outside [0, brightest]."""
    if brightest is None:
        if pixels.dtype == np.uint8:
            return pixels
        raise entry.Refusal("the value of the brightest pixel is not known; say `maximum`")
    if not np.isfinite(pixels).all() or pixels.min() < 0 or pixels.max() > brightest:
        raise entry.Refusal(f"a pixel lies outside 0 to {brightest:g}; say the right `maximum`")
    return np.round(pixels / brightest * 255).astype(np.uint8)


def spelled(label: Any) -> str:
    """A class as a folder's name. Raises Refusal for one that is none on every system, or leads elsewhere."""
    text = str(int(label)) if isinstance(label, float) and label.is_integer() else str(label)
    if not NAME.fullmatch(text) or text.endswith((".", " ")):
        raise entry.Refusal(f"the label {text!r} cannot name a folder; use letters, digits, `_`, `-`, `.` and spaces")
    return text


if __name__ == "__main__":
    arguments = entry.parser("Write arrays of pixels as a folder of images.")
    arguments.add_argument("--arrays", type=Path)
    arguments.add_argument("--table", type=Path)
    arguments.add_argument("--height", type=int)
    arguments.add_argument("--channels", type=int, default=1)
    arguments.add_argument("--maximum", type=float)
    arguments.add_argument("--facts", type=Path)
    arguments.add_argument("--images", type=Path, required=True)
    entry.run(main, arguments)
