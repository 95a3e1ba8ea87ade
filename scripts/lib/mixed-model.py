#!/usr/bin/env python3
"""A small random DeepSeek-V3 as GGUF whose tensors are of many types, as quantisers of few bits mix them, and its twin in F32.

    mixed-model.py TOOLS MIXED.gguf TWIN.gguf SEED

Blocks are random bits under a scale that gives weights their usual size; nothing is quantised. The twin holds what Python's `gguf`
makes of them (Q1_0 and Q2_0, which it does not decode: the lines below), so that a reference that knows F32 alone can say what the
model's logits are. Wants mkmodel.py in TOOLS, numpy and gguf.
"""
import os, struct, sys, tempfile
import numpy as np
from gguf import GGMLQuantizationType as Type, quants

tools, mixed, twin, seed = sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4])
sys.path.insert(0, tools)
import mkmodel

SHAPE = dict(dim=256, ffn=256, moe=256, layers=3, dense=1, heads=2, experts=4, shared=1, used=2, groups=2, gused=1, gating="sigmoid",
             norm=True, scale=2.5, q_lora=256, kv_lora=256, nope=32, rope=16, v=128, vocab=260, ctx=512, yarn=(40.0, 64, 0.1), nextn=0)
# type: id, weights and bytes of a block, where its F16 scale is
BLOCKS = {"IQ2_XXS": (16, 256, 66, 0), "IQ2_XS": (17, 256, 74, 0), "IQ3_XXS": (18, 256, 98, 0), "IQ1_S": (19, 256, 50, 0),
          "IQ4_NL": (20, 32, 18, 0), "IQ3_S": (21, 256, 110, 0), "IQ2_S": (22, 256, 82, 0), "IQ4_XS": (23, 256, 136, 0),
          "IQ1_M": (29, 256, 56, None), "TQ1_0": (34, 256, 54, 52), "TQ2_0": (35, 256, 66, 64), "MXFP4": (39, 32, 17, None),
          "NVFP4": (40, 64, 36, None), "Q1_0": (41, 128, 18, 0), "Q2_0": (42, 64, 18, 0), "Q3_K": (11, 256, 110, 108)}
# in the file's order; experts of a layer are of two types, as they are in published mixes
MIX = {"token_embd": "IQ3_S", "output": "IQ4_XS", "k_b": "MXFP4",
       "0": "IQ2_XXS IQ1_S IQ3_XXS Q1_0 IQ2_S IQ1_M TQ1_0 Q2_0",
       "1": "TQ2_0 IQ2_XS NVFP4 Q3_K IQ3_S IQ1_S IQ1_S IQ3_XXS MXFP4 NVFP4 IQ4_NL",
       "2": "IQ1_M Q2_0 IQ2_XXS MXFP4 TQ1_0 IQ2_XXS IQ2_XXS IQ2_S IQ2_XS Q1_0 TQ2_0"}


def few_bits(name, raw):
    d = raw[:, :2].copy().view(np.float16).astype(np.float32)
    bits = np.unpackbits(raw[:, 2:], axis=1, bitorder="little")
    return np.where(bits, d, -d) if name == "Q1_0" else (bits[:, ::2] + 2.0 * bits[:, 1::2] - 1).astype(np.float32) * d


def decode(name, raw):
    if name in ("Q1_0", "Q2_0"):
        return few_bits(name, raw).ravel()
    return quants.dequantize(raw.ravel(), Type[name]).astype(np.float32).ravel()


def put_scale(name, raw, value):
    at = BLOCKS[name][3]
    half = np.float16(value).view(np.uint16)
    if name == "MXFP4":
        raw[:, 0] = int(np.round(np.log2(value))) + 127
    elif name == "NVFP4":
        raw[:, :4] = (int(np.floor(np.log2(value))) + 7 << 3) + int(8 * (value / 2 ** np.floor(np.log2(value)) - 1))
    elif name == "IQ1_M":
        words = raw[:, 48:].copy().view(np.uint16)
        raw[:, 48:] = ((words & 0xFFF) | (half >> np.arange(4, dtype=np.uint16) * 4 & 15) << 12).astype(np.uint16).view(np.uint8)
    else:
        raw[:, at : at + 2] = np.frombuffer(half.tobytes(), np.uint8)


def blocks(rng, name, count, std):
    _, weights, size, _ = BLOCKS[name]
    raw = rng.integers(0, 256, (count // weights, size), dtype=np.uint8)
    put_scale(name, raw, 0.125)
    put_scale(name, raw, 0.125 * std / decode(name, raw[:64]).std())
    return raw


class Mixed(mkmodel.Gguf):
    """mkmodel's writer, but that tensors get the mix's types, in the mixed file and in the twin."""

    def write(self, path, seed):
        rng = np.random.default_rng(seed)
        mix = {k: iter(v.split()) for k, v in MIX.items()}
        files = [[], []]
        for name, shape, kind, std, const in self.t:
            count, layer = int(np.prod(shape)), name.split(".")[1]
            if const is not None or kind != "F32" or "gate_inp" in name or "probs" in name:
                raw = np.full(count, const, np.float32) if const is not None else rng.standard_normal(count, dtype=np.float32) * np.float32(std)
                entries = [(0, raw.tobytes())] * 2
            else:
                key = name.split(".")[0] if layer == "weight" else "k_b" if "k_b" in name else layer
                to = MIX["k_b"] if key == "k_b" else next(mix[key])
                raw = blocks(rng, to, count, std)
                entries = [(BLOCKS[to][0], raw.tobytes()), (0, decode(to, raw).tobytes())]
            for file, (kind_id, data) in zip(files, entries):
                file.append((name, shape, kind_id, data))
        for file, to in zip(files, (mixed, twin)):
            self.save(file, to)

    def save(self, tensors, path):
        infos, at = b"", 0
        for name, shape, kind, data in tensors:
            infos += self._str(name) + struct.pack("<I", len(shape)) + struct.pack(f"<{len(shape)}Q", *shape) + struct.pack("<IQ", kind, at)
            at += len(data) + -len(data) % 32
        head = struct.pack("<IIQQ", 0x46554747, 3, len(tensors), len(self.kv)) + b"".join(self.kv) + infos
        with open(path, "wb") as f:
            f.write(head + b"\0" * (-len(head) % 32))
            for *_, data in tensors:
                f.write(data + b"\0" * (-len(data) % 32))


mkmodel.PRESETS["mixed"] = SHAPE
mkmodel.Gguf = Mixed
sys.argv = ["mkmodel.py", "mixed", os.devnull, "--seed", str(seed)]
mkmodel.main()
