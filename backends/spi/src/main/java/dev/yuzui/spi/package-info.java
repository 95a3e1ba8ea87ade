/**
 * The contract between the runtime and a device, in the model's own vocabulary.
 *
 * <p>Letters used in every shape: T tokens of a step, H hidden size, N heads, P nope, R rope and V
 * value dimensions of a head, Lkv latent rank, E routed experts, K experts used per token, F expert
 * width. Matrices are row-major with the last dimension contiguous.
 *
 * <p>Four rules, each with a conformance test:
 *
 * <ol>
 *   <li>An op only enqueues: it neither reads back, blocks nor allocates.
 *   <li>What varies per step (tokens, positions, sequences, lengths, page tables) lives in device
 *       memory, in {@link dev.yuzui.spi.StepBatch}. Java scalars given to ops are constants of the
 *       model.
 *   <li>Sizes are bucketed; sequence −1 marks a padding row, which every op may skip.
 *   <li>Addresses are fixed: {@link dev.yuzui.spi.Scratch} gives the same tensor for the same order
 *       of calls.
 * </ol>
 *
 * <p>From these follow replay, CUDA graphs, several drafts verified in one step, rollback as host
 * bookkeeping, and continuous batching.
 */
package dev.yuzui.spi;
