"""From a folder of images to arrays and back: one sub-folder a class, as torchvision and Keras read them too.

`<folder>/<class>/<name>.png` (or .jpg, .jpeg, .bmp); nothing else counts. Pixels are 0 to 255. Pillow decodes; a file
that is no image, or has more pixels than Pillow allows, is refused by name.
"""

import tempfile
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from common.entry import Refusal
from common.facts import Facts

SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp")
MODES = {1: "L", 3: "RGB"}


class Image(NamedTuple):
    """One file of a folder of images: its path below the folder, and the class that its folder is named after."""

    path: str
    label: str


class Shape(NamedTuple):
    """What images are scaled to: pixels, and 1 (grey) or 3 (red, green, blue) channels."""

    height: int
    width: int
    channels: int


def listing(folder: Path | str, facts: Facts | None = None) -> list[Image]:
    """Every image below a folder, in the order of their paths.

    Raises Refusal for a folder without images, for a class that the facts' label does not have, and for a link that
    leads out of the folder.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise Refusal(f"{folder} is not a folder of images; give one with a sub-folder for each class")
    found: list[Image] = []
    root = folder.resolve()
    for place in sorted(folder.iterdir()):
        if not place.is_dir():
            continue
        for file in sorted(place.iterdir()):
            if file.suffix.lower() not in SUFFIXES:
                continue
            if not file.resolve().is_relative_to(root):
                raise Refusal(
                    f"the image {place.name}/{file.name} is a link that leads out of its folder; copy the file"
                )
            found.append(Image(f"{place.name}/{file.name}", place.name))
    if not found:
        raise Refusal(f"{folder} holds no images; put them into sub-folders named after their classes (cat/1.png)")
    known = vocabulary(facts)
    if known is not None:
        strange = sorted({image.label for image in found} - set(known))
        if strange:
            raise Refusal(f"the folder has images of a class {strange[0]!r}, which the schema's label does not have")
    return found


def vocabulary(facts: Facts | None) -> tuple[str, ...] | None:
    """The classes that the schema's label may have, as folders are named after them; None where no schema says."""
    if facts is None or facts.classes is None:
        return None
    return tuple(str(x).lower() if isinstance(x, bool) else str(x) for x in facts.classes)


def classes_of(images: Sequence[Image], facts: Facts | None) -> tuple[str, ...]:
    """The classes of a training: the schema's vocabulary, and without one the folders that there are."""
    found = vocabulary(facts) or tuple(sorted({image.label for image in images}))
    if len(found) < 2:
        raise Refusal(f"the images have one class only ({found[0]!r}); a classifier needs two")
    return found


def shape_of(folder: Path | str, images: Sequence[Image]) -> Shape:
    """The shape of the first image: for inputs that do not say another."""
    with _opened(Path(folder) / images[0].path) as picture:
        return Shape(picture.height, picture.width, 1 if picture.mode in ("1", "L", "LA", "I;16") else 3)


def asked_shape(
    folder: Path, images: Sequence[Image], backbone: Shape | None, height: int | None, width: int | None,
    channels: int | None,
) -> Shape:  # fmt: skip
    """The shape to scale to: what is asked for, else the backbone's, else the first image's."""
    usual = backbone or shape_of(folder, images)
    shape = Shape(height or usual.height, width or usual.width, channels or usual.channels)
    if shape.channels not in (1, 3):
        raise Refusal(f"channels must be 1 (grey) or 3 (colour), found {shape.channels}")
    if backbone is not None and shape.channels != backbone.channels:
        raise Refusal(f"the backbone takes {backbone.channels} channels, not {shape.channels}; leave `channels` out")
    return shape


def read(folder: Path | str, images: Sequence[Image], shape: Shape) -> np.ndarray:
    """The images as bytes (images × height × width × channels), scaled bilinearly where their size is another."""
    made = np.empty((len(images), *shape), dtype=np.uint8)
    for place, image in enumerate(images):
        made[place] = _pixels(Path(folder) / image.path, shape)
    return made


def batches(folder: Path | str, images: Sequence[Image], shape: Shape, size: int) -> Iterator[np.ndarray]:
    """The same, `size` images at a time, so that a folder may be larger than memory."""
    for start in range(0, len(images), size):
        yield read(folder, images[start : start + size], shape)


def laid_down(folder: Path | str, images: Sequence[Image], shape: Shape, size: int = 1024) -> np.ndarray:
    """The same as `read`, from a file that goes when nobody reads it any more: the images may be larger than memory."""
    with tempfile.TemporaryFile(prefix="mlp-images-") as file:
        for batch in batches(folder, images, shape, size):
            file.write(batch.tobytes())
        file.flush()
        return np.memmap(file, dtype=np.uint8, mode="r").reshape(len(images), *shape)


def targets_of(folder: Path, images: Sequence[Image], classes: Sequence[Any]) -> np.ndarray:
    """Each image's class as its place. Raises Refusal for an image of none of the classes."""
    known = {name: place for place, name in enumerate(classes)}
    strange = next((image.label for image in images if image.label not in known), None)
    if strange is not None:
        raise Refusal(f"{folder.name} has a class {strange!r}, which the training images do not have")
    return np.array([known[image.label] for image in images], dtype=np.int64)


def write(folder: Path, pixels: np.ndarray, labels: Sequence[str]) -> None:
    """One PNG file for each image (images × height × width [× channels] of bytes): `<label>/<its place>.png`."""
    from PIL import Image as Pillow

    width = max(5, len(str(len(pixels))))
    for place, (image, label) in enumerate(zip(pixels, labels, strict=True)):
        target = folder / label
        target.mkdir(exist_ok=True)
        flat = image[..., 0] if image.ndim == 3 and image.shape[-1] == 1 else image
        Pillow.fromarray(np.ascontiguousarray(flat)).save(target / f"{place:0{width}}.png")


def _pixels(file: Path, shape: Shape) -> np.ndarray:
    from PIL import Image as Pillow

    with _opened(file) as picture:
        try:
            image = picture.convert(MODES[shape.channels])
            if image.size != (shape.width, shape.height):
                image = image.resize((shape.width, shape.height), Pillow.Resampling.BILINEAR)
            return np.asarray(image, dtype=np.uint8).reshape(shape)
        except (OSError, SyntaxError, ValueError) as error:
            raise Refusal(f"the image {file.parent.name}/{file.name} is damaged ({type(error).__name__})") from None


def _opened(file: Path) -> Any:
    from PIL import Image as Pillow

    with warnings.catch_warnings():
        warnings.simplefilter("error", Pillow.DecompressionBombWarning)
        try:
            return Pillow.open(file)
        except (Pillow.DecompressionBombWarning, Pillow.DecompressionBombError):
            raise Refusal(
                f"the image {file.parent.name}/{file.name} has too many pixels; scale it down first"
            ) from None
        except (OSError, SyntaxError, ValueError):
            raise Refusal(f"{file.parent.name}/{file.name} is no image that can be read; remove or mend it") from None
