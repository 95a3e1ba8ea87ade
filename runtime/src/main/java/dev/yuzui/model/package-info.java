/**
 * The DeepSeek architecture, one class per concept of the papers. Nothing here names a device:
 * layers enqueue {@link dev.yuzui.spi.Ops} on tensors.
 *
 * <p>Letters: T tokens of a step, H hidden, N heads, P nope, R rope, V value dimensions of a head,
 * Lq and Lkv latent ranks, E experts, K used, F expert width.
 */
package dev.yuzui.model;
