#!/usr/bin/env python3
"""A random V2-Lite as GGUF whose routed experts are of few bits, all else as in Q4_K_M; for scripts/bench-peers --model.

    few-bits-model.py TOOLS OUT.gguf IQ2_XXS|Q2_K|MXFP4

Blocks are random bits under a scale that gives weights their usual size. Down projections, whose rows are of 1,408, are IQ4_NL beside
IQ2_XXS and Q2_K, as quantisers have them. Wants mkmodel.py in TOOLS, and numpy.
"""
import sys
import numpy as np

tools, out, experts = sys.argv[1:4]
sys.path.insert(0, tools)
import mkmodel

# type: id, weights and bytes of a block; what a block's F16 scales are for weights of size 1, by place
TYPES = {"IQ2_XXS": ((16, 256, 66), {0: 1 / 20}), "Q2_K": ((10, 256, 84), {80: 1 / 12, 82: 1 / 8}),
         "IQ4_NL": ((20, 32, 18), {0: 1 / 70}), "MXFP4": ((39, 32, 17), {})}
mkmodel.QT.update({name: size for name, (size, _) in TYPES.items()})
others, tensor = mkmodel.blocks, mkmodel.Gguf.tensor


def blocks(rng, name, count, std):
    if name not in TYPES:
        return others(rng, name, count, std)
    (_, weights, size), scales = TYPES[name]
    raw = rng.integers(0, 256, (count // weights, size), dtype=np.uint8)
    for at, scale in scales.items():
        raw[:, at : at + 2] = np.frombuffer(np.float16(std * scale).tobytes(), np.uint8)
    if name == "MXFP4":
        raw[:, 0] = 127 + int(np.round(np.log2(std / 3)))
    return raw.tobytes()


def of_few_bits(gguf, name, shape, kind, std, const=None):
    if "_exps" in name:
        kind = experts if shape[0] % TYPES[experts][0][1] == 0 else "IQ4_NL"
    tensor(gguf, name, shape, kind, std, const)


if experts not in TYPES:
    sys.exit(f"few-bits-model.py: expected one of {', '.join(TYPES)}, found {experts}")
mkmodel.blocks, mkmodel.Gguf.tensor = blocks, of_few_bits
sys.argv = ["mkmodel.py", "v2-lite", out, "--type", "Q4_K_M", "--seed", "3"]
mkmodel.main()
