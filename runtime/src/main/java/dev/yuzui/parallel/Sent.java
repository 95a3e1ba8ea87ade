package dev.yuzui.parallel;

import dev.yuzui.spi.Tensor;

/**
 * What a rank brings to a meeting, and where it takes what comes of it.
 *
 * @param rank whose rows these are
 * @param device where they lie
 * @param x [T, H]
 * @param ids I32 [T, K], −1 in padding rows
 * @param weights [T, K]
 * @param returned receives sums over the experts of a device, [T·D, H]
 * @param place receives the row of {@code returned} of each (row, d-th of the devices it went to),
 *     or −1; I32 [1, T·D]
 */
public record Sent(
    int rank, int device, Tensor x, Tensor ids, Tensor weights, Tensor returned, Tensor place) {}
