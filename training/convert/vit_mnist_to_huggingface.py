#!/usr/bin/env python3
"""Convert the MNIST vision transformer of researchase/vit-mnist-explorations (MIT) to a folder in the Hugging Face layout.

    python3 vit_mnist_to_huggingface.py vit_mnist_gpu.pt FOLDER

Its 4 heads of 64 are wider together than its state of 64, which Hugging Face's ViT cannot say. So the state is repeated four times: whatever writes
to it writes four copies, whatever reads it reads the first, and a layer norm over four equal copies is the layer norm over one. Every attention
weight and every score stays what it was.
"""

import array
import json
import os
import sys

from pickle_to_safetensors import Storage, Tensor, read_zip, state_dict, write

COPIES, HIDDEN = 4, 64


class RowMajor(Tensor):
    def bytes(self):
        return self.storage.data


def main(arguments):
    if len(arguments) != 2:
        print(__doc__.strip(), file=sys.stderr)
        return 2
    source, folder = arguments
    state = {name: array.array("f", value.bytes()) for name, value in state_dict(read_zip(source)).items()}
    result = {}

    def put(name, values, *shape):
        result[name] = RowMajor(Storage("FloatStorage", array.array("f", values).tobytes()), 0, shape, ())

    def copied(name, values, rows, *shape):
        """Each of the rows of HIDDEN values four times over."""
        put(name, [v for r in range(rows) for v in list(values[r * HIDDEN:(r + 1) * HIDDEN]) * COPIES], *shape)

    def norm(name, source):
        copied(f"{name}.weight", state[f"{source}.weight"], 1, HIDDEN * COPIES)
        copied(f"{name}.bias", state[f"{source}.bias"], 1, HIDDEN * COPIES)

    def writes(name, weight, bias, inputs):
        put(f"{name}.weight", list(weight) * COPIES, HIDDEN * COPIES, inputs)
        put(f"{name}.bias", list(bias) * COPIES, HIDDEN * COPIES)

    def reads(name, weight, bias, outputs):
        rows = (list(weight[o * HIDDEN:(o + 1) * HIDDEN]) + [0.0] * (HIDDEN * (COPIES - 1)) for o in range(outputs))
        put(f"{name}.weight", [v for row in rows for v in row], outputs, HIDDEN * COPIES)
        put(f"{name}.bias", bias, outputs)

    copied("vit.embeddings.cls_token", state["cls_token"], 1, 1, 1, HIDDEN * COPIES)
    copied("vit.embeddings.position_embeddings", state["pos_embedding"], 50, 1, 50, HIDDEN * COPIES)
    writes("vit.embeddings.patch_embeddings.projection", state["to_patch_embedding.1.weight"], state["to_patch_embedding.1.bias"], 16)
    result["vit.embeddings.patch_embeddings.projection.weight"].shape = (HIDDEN * COPIES, 1, 4, 4)
    for i in range(6):
        old, new = f"transformer.layers.{i}", f"vit.encoder.layer.{i}"
        norm(f"{new}.layernorm_before", f"{old}.0.norm")
        norm(f"{new}.layernorm_after", f"{old}.1.norm")
        for part, name in enumerate(("query", "key", "value")):
            rows = state[f"{old}.0.fn.to_qkv.weight"][part * 256 * HIDDEN:(part + 1) * 256 * HIDDEN]
            reads(f"{new}.attention.attention.{name}", rows, [0.0] * 256, 256)
        writes(f"{new}.attention.output.dense", state[f"{old}.0.fn.to_out.0.weight"], state[f"{old}.0.fn.to_out.0.bias"], 256)
        reads(f"{new}.intermediate.dense", state[f"{old}.1.fn.net.0.weight"], state[f"{old}.1.fn.net.0.bias"], 128)
        writes(f"{new}.output.dense", state[f"{old}.1.fn.net.3.weight"], state[f"{old}.1.fn.net.3.bias"], 128)
    norm("vit.layernorm", "mlp_head.0")
    reads("classifier", state["mlp_head.1.weight"], state["mlp_head.1.bias"], 10)

    os.makedirs(folder, exist_ok=True)
    write(result, os.path.join(folder, "model.safetensors"))
    with open(os.path.join(folder, "config.json"), "w", encoding="utf-8") as file:
        json.dump({
            "architectures": ["ViTForImageClassification"], "model_type": "vit", "hidden_size": HIDDEN * COPIES, "num_hidden_layers": 6,
            "num_attention_heads": 4, "intermediate_size": 128, "hidden_act": "relu", "image_size": 28, "patch_size": 4, "num_channels": 1,
            "layer_norm_eps": 1e-5, "id2label": {str(digit): str(digit) for digit in range(10)}}, file, indent=2)
    with open(os.path.join(folder, "preprocessor_config.json"), "w", encoding="utf-8") as file:
        json.dump({
            "image_processor_type": "ViTImageProcessor", "do_resize": True, "size": {"height": 28, "width": 28}, "resample": 2, "do_rescale": True,
            "rescale_factor": 1 / 255, "do_normalize": True, "image_mean": [0.1307], "image_std": [0.3081]}, file, indent=2)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
