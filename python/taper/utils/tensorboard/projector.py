"""Embeddings as files of TensorBoard's projector, and the list of them that it reads."""

import math
import os
import urllib.parse

import numpy

from .summary import as_array, png

LIST = "projector_config.pbtxt"


def _rows(path, rows):
    with open(path, "w", encoding="utf-8") as file:
        file.writelines("\t".join(map(str, row)) + "\n" for row in rows)


def _sprite(images):
    """[N, C, H, W] of numbers from 0 to 1 as one square picture [rows H, rows W, C]."""
    count, channels, height, width = images.shape
    rows = math.ceil(math.sqrt(count))
    sheet = numpy.zeros((rows * height, rows * width, channels), numpy.float32)
    for index, picture in enumerate(images):
        y, x = divmod(index, rows)
        sheet[y * height : (y + 1) * height, x * width : (x + 1) * width] = picture.transpose(1, 2, 0)
    pixels = (sheet * 255).clip(0, 255).astype(numpy.uint8)
    return numpy.repeat(pixels, 3, 2) if channels == 1 else pixels


def embedding(directory, mat, metadata, label_img, step, tag, metadata_header):
    """Writes mat [N, D], labels of the rows and their pictures [N, C, H, W], and adds them to the list."""
    points = as_array(mat)
    if points.ndim != 2:
        raise AssertionError("mat should be 2D, where mat.size(0) is the number of data points")
    place = f"{str(step or 0).zfill(5)}/{urllib.parse.quote(tag, safe='')}"
    folder = os.path.join(directory, place)
    os.makedirs(folder, exist_ok=True)
    lines = [f'tensor_name: "{tag}:{str(step or 0).zfill(5)}"', f'tensor_path: "{place}/tensors.tsv"']
    _rows(os.path.join(folder, "tensors.tsv"), points)
    if metadata is not None:
        if len(metadata) != len(points):
            raise AssertionError("#labels should equal with #data points")
        rows = [row if metadata_header else [row] for row in metadata]
        _rows(os.path.join(folder, "metadata.tsv"), [metadata_header, *rows] if metadata_header else rows)
        lines.append(f'metadata_path: "{place}/metadata.tsv"')
    if label_img is not None:
        images = as_array(label_img)
        if len(images) != len(points):
            raise AssertionError("#images should equal with #data points")
        if images.shape[2] != images.shape[3]:
            raise AssertionError("Image should be square, see tensorflow/tensorboard#670")
        with open(os.path.join(folder, "sprite.png"), "wb") as file:
            file.write(png(_sprite(images)))
        size = images.shape[3]
        lines.append(f'sprite {{ image_path: "{place}/sprite.png"')
        lines.append(f"single_image_dim: {size} single_image_dim: {size} }}")
    with open(os.path.join(directory, LIST), "a", encoding="utf-8") as file:
        file.write("embeddings {\n" + "\n".join(lines) + "\n}\n")
