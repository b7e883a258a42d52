"""What Pillow and NumPy make of images.

    pillow.py prepare NAME MODE ...      as Hugging Face's slow image processors: NAME.ppm and NAME.json to NAME.f32
    pillow.py jpeg FOLDER                noise and gradients as JPEG files of every kind that Pillow writes, and their pixels
"""
import json
import sys
from math import ceil

import numpy as np
from PIL import Image


def pair(size, height="height", width="width"):
    return (size, size) if isinstance(size, int) else (size[height], size[width])


def prepare(names):
    for name, mode in zip(names[::2], names[1::2]):
        config = json.load(open(name + ".json"))
        clip = (config.get("image_processor_type") or config["feature_extractor_type"]).startswith("CLIP")
        image = Image.open(name + ".ppm").convert(mode)
        if config.get("do_resize", True):
            size = config["size"]
            shortest = size if clip and isinstance(size, int) else None if isinstance(size, int) else size.get("shortest_edge")
            if shortest:
                short, long = sorted(image.size)
                other = int(shortest * long / short)
                height, width = (other, shortest) if image.width <= image.height else (shortest, other)
            else:
                height, width = pair(size)
            image = image.resize((width, height), config["resample"])
        pixels = np.asarray(image)
        pixels = pixels.reshape(pixels.shape[0], pixels.shape[1], -1).transpose(2, 0, 1)
        if config.get("do_center_crop", clip):
            height, width = pair(config["crop_size"])
            top, left = (pixels.shape[1] - height) // 2, (pixels.shape[2] - width) // 2
            if top < 0 or left < 0:
                tall, wide = max(height, pixels.shape[1]), max(width, pixels.shape[2])
                padded = np.zeros((pixels.shape[0], tall, wide), pixels.dtype)
                down, across = ceil((tall - pixels.shape[1]) / 2), ceil((wide - pixels.shape[2]) / 2)
                padded[:, down : down + pixels.shape[1], across : across + pixels.shape[2]] = pixels
                pixels, top, left = padded, top + down, left + across
            pixels = pixels[:, max(0, top) : top + height, max(0, left) : left + width]
        if config.get("do_rescale", True):
            pixels = (pixels * np.float64(config.get("rescale_factor", 1 / 255))).astype(np.float32)
        pixels = pixels.astype(np.float32)
        if config.get("do_normalize", True):
            mean = np.float32(config.get("image_mean", [0.48145466, 0.4578275, 0.40821073]))
            std = np.float32(config.get("image_std", [0.26862954, 0.26130258, 0.27577711]))
            pixels = (pixels - mean.reshape(-1, 1, 1)) / std.reshape(-1, 1, 1)
        np.ascontiguousarray(pixels, dtype="<f4").tofile(name + ".f32")


def jpeg(folder):
    y, x = np.mgrid[0:101, 0:134]
    smooth = np.stack([127 + 100 * np.sin(x / 17 + y / 9), 127 + 100 * np.cos(x / 5), (x * y / 7) % 256], -1)
    image = Image.fromarray(np.clip(smooth + np.random.default_rng(1).normal(0, 12, smooth.shape), 0, 255).astype(np.uint8))
    kinds = {
        f"{quality}-{sampling}-{progressive}": (image, {"quality": quality, "subsampling": sampling, "progressive": progressive})
        for quality in (30, 95) for sampling in ("4:4:4", "4:2:2", "4:2:0") for progressive in (False, True)}
    kinds["grey"], kinds["cmyk"] = (image.convert("L"), {}), (image.convert("CMYK"), {})
    for name, (content, options) in kinds.items():
        path = f"{folder}/{name.replace(':', '')}.jpg"
        content.save(path, **options)
        np.asarray(Image.open(path).convert("RGB")).tofile(path + ".rgb")


{"prepare": prepare, "jpeg": lambda names: jpeg(*names)}[sys.argv[1]](sys.argv[2:])
