#!/usr/bin/env python3
"""Convert a PyTorch checkpoint (pytorch_model.bin, *.pt) to model.safetensors, with nothing but Python's standard library.

    python3 pickle_to_safetensors.py pytorch_model.bin model.safetensors

A pickle can run code when it is opened. This reader resolves only the handful of names that a state dict needs and
refuses every other one, so a hostile file ends in an error and nothing else. Both formats are read: the zip archive that
torch.save writes since 1.6, and the older sequence of pickles. Tensors keep their names, types and values; a training
checkpoint is searched for its state dict under the usual keys.
"""

import collections
import io
import json
import os
import pickle
import struct
import sys
import zipfile

# torch storage class -> (safetensors type, bytes per element)
STORAGES = {
    "DoubleStorage": ("F64", 8),
    "FloatStorage": ("F32", 4),
    "HalfStorage": ("F16", 2),
    "BFloat16Storage": ("BF16", 2),
    "LongStorage": ("I64", 8),
    "IntStorage": ("I32", 4),
    "ShortStorage": ("I16", 2),
    "CharStorage": ("I8", 1),
    "ByteStorage": ("U8", 1),
    "BoolStorage": ("BOOL", 1),
}
LEGACY_MAGIC = 0x1950A86A20F9469CFC6C


class Storage:
    """A typed block of memory; its bytes may arrive after the pickle that names it."""

    def __init__(self, kind, data=None):
        self.type, self.size = STORAGES[kind]
        self.data = data


class Tensor:
    def __init__(self, storage, offset, shape, strides):
        self.storage, self.offset, self.shape, self.strides = storage, offset, tuple(shape), tuple(strides)

    def bytes(self):
        """Row-major bytes, gathered where the tensor is a view with other strides."""
        size, data = self.storage.size, self.storage.data
        count, strides = 1, []
        for dimension in reversed(self.shape):
            strides.insert(0, count)
            count *= dimension
        if count == 0:
            return b""
        last = self.offset + sum((n - 1) * s for n, s in zip(self.shape, self.strides))
        if data is None or self.offset < 0 or min(self.strides, default=0) < 0 or (last + 1) * size > len(data):
            raise ValueError("a tensor reaches outside its storage")
        if all(n == 1 or have == want for n, have, want in zip(self.shape, self.strides, strides)):
            return data[self.offset * size : (self.offset + count) * size]
        result = bytearray()
        index = [0] * len(self.shape)
        for _ in range(count):
            at = (self.offset + sum(i * s for i, s in zip(index, self.strides))) * size
            result += data[at : at + size]
            for axis in reversed(range(len(index))):
                index[axis] += 1
                if index[axis] < self.shape[axis]:
                    break
                index[axis] = 0
        return bytes(result)


def rebuild_tensor(storage, offset, shape, strides, *_):
    if not isinstance(storage, Storage):
        raise ValueError("a tensor without a storage")
    return Tensor(storage, offset, shape, strides)


class StateDictUnpickler(pickle.Unpickler):
    """Knows the names that a state dict is made of, and no other."""

    KNOWN = {
        ("collections", "OrderedDict"): collections.OrderedDict,
        ("torch._utils", "_rebuild_tensor"): rebuild_tensor,
        ("torch._utils", "_rebuild_tensor_v2"): rebuild_tensor,
        ("torch._utils", "_rebuild_parameter"): lambda tensor, *_: tensor,
    }

    def __init__(self, stream, load_storage):
        super().__init__(stream)
        self.load_storage = load_storage

    def find_class(self, module, name):
        if module == "torch" and name in STORAGES:
            return name
        if (module, name) in self.KNOWN:
            return self.KNOWN[module, name]
        raise ValueError(f"it names {module}.{name}, which no state dict needs; the file is refused")

    def persistent_load(self, identifier):
        kind, storage, key, _, count = identifier[:5]
        if kind != "storage" or storage not in STORAGES:
            raise ValueError("it holds a reference that is no tensor storage")
        return self.load_storage(storage, key, count)


def read_zip(path):
    with zipfile.ZipFile(path) as archive:
        pickles = [name for name in archive.namelist() if name.endswith("/data.pkl") or name == "data.pkl"]
        if len(pickles) != 1:
            raise ValueError("it holds no data.pkl")
        folder = pickles[0][: -len("data.pkl")]
        storages = {}

        def load(kind, key, count):
            if key not in storages:
                storages[key] = Storage(kind, archive.read(f"{folder}data/{key}"))
            return storages[key]

        return StateDictUnpickler(io.BytesIO(archive.read(pickles[0])), load).load()


def read_legacy(path):
    with open(path, "rb") as stream:
        def plain():
            def refuse(*_):
                raise ValueError("a storage where none belongs")

            return StateDictUnpickler(stream, refuse).load()

        if plain() != LEGACY_MAGIC:
            raise ValueError("it is no PyTorch checkpoint")
        plain()  # protocol version
        plain()  # byte order and type sizes of the machine; every writer in use is little-endian
        storages = {}

        def load(kind, key, count):
            return storages.setdefault(key, Storage(kind))

        state = StateDictUnpickler(stream, load).load()
        for key in plain():
            storage = storages[key]
            (count,) = struct.unpack("<q", stream.read(8))
            storage.data = stream.read(count * storage.size)
            if len(storage.data) != count * storage.size:
                raise ValueError("it is truncated")
        return state


def state_dict(loaded):
    """The dictionary of tensors, directly or one level down."""
    for key in (None, "state_dict", "model_state_dict", "model"):
        candidate = loaded if key is None else loaded.get(key) if isinstance(loaded, dict) else None
        if isinstance(candidate, dict):
            tensors = {name: value for name, value in candidate.items() if isinstance(name, str) and isinstance(value, Tensor)}
            if tensors:
                return tensors
    raise ValueError("it holds no tensors")


def write(tensors, path):
    header, at = {"__metadata__": {"format": "pt"}}, 0
    data = []
    for name, tensor in tensors.items():
        values = tensor.bytes()
        header[name] = {"dtype": tensor.storage.type, "shape": list(tensor.shape), "data_offsets": [at, at + len(values)]}
        at += len(values)
        data.append(values)
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    temporary = path + ".partial"
    with open(temporary, "wb") as stream:
        stream.write(struct.pack("<Q", len(text)))
        stream.write(text)
        for values in data:
            stream.write(values)
    os.replace(temporary, path)
    return len(data), at


def main(arguments):
    if len(arguments) != 2:
        print(__doc__.strip(), file=sys.stderr)
        return 2
    source, target = arguments
    try:
        loaded = read_zip(source) if zipfile.is_zipfile(source) else read_legacy(source)
        count, size = write(state_dict(loaded), target)
    except (OSError, ValueError, KeyError, TypeError, IndexError, EOFError, AttributeError, struct.error, zipfile.BadZipFile, pickle.UnpicklingError) as error:
        print(f"{source} cannot be converted: {error}", file=sys.stderr)
        return 1
    print(f"{target}: {count} tensors, {size} bytes")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
