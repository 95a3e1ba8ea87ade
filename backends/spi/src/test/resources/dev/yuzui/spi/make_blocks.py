#!/usr/bin/env python3
"""Prints two blocks of each block format with their weights, for DequantizerTest.

usage: make_blocks.py GOLDEN > blocks.txt

GOLDEN holds T.blocks.bin (random valid blocks) and T.dequant.f32 (what ggml's gguf-py makes of
them, bit-identical to its C code). A line is: format, block in hex, little-endian F32s in hex.
"""
import sys

FORMATS = {
    "Q4_0": (32, 18), "Q4_1": (32, 20), "Q5_0": (32, 22), "Q5_1": (32, 24), "Q8_0": (32, 34),
    "Q2_K": (256, 84), "Q3_K": (256, 110), "Q4_K": (256, 144), "Q5_K": (256, 176),
    "Q6_K": (256, 210), "IQ4_NL": (32, 18), "IQ4_XS": (256, 136),
}

for name, (elements, size) in FORMATS.items():
    blocks = open(f"{sys.argv[1]}/{name}.blocks.bin", "rb").read()
    weights = open(f"{sys.argv[1]}/{name}.dequant.f32", "rb").read()
    for i in range(2):
        block = blocks[i * size:(i + 1) * size]
        print(name, block.hex(), weights[i * elements * 4:(i + 1) * elements * 4].hex())
