package dev.yuzui.model;

import dev.yuzui.spi.Tensor;

/**
 * What a sublayer reads several streams by, and is written back by: manifold-constrained
 * hyper-connections, arXiv:2512.24880. The head, which only reads, has S rows.
 *
 * @param fn F32 [S·(2+S), S·H]
 * @param base F32 [1, S·(2+S)]
 * @param scale F32 [1, 3], of what is read, written and kept
 */
record HyperConnection(Tensor fn, Tensor base, Tensor scale) {}
