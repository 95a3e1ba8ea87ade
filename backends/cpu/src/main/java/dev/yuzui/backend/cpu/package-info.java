/**
 * The processor as a device. An {@link dev.yuzui.backend.cpu.CpuQueue} turns each call on its ops
 * into an {@link dev.yuzui.backend.cpu.Op} with addresses worked out, and runs it at once or notes
 * it; a recording is an array of ops that a {@link dev.yuzui.backend.cpu.Team} of threads walks in
 * one parallel region. Inner loops are behind {@link dev.yuzui.backend.cpu.CpuKernels}: on the
 * Vector API where it is, scalar otherwise.
 *
 * <p>Weights stay where they are mapped and are multiplied in the encoding they have, by F32
 * activations.
 */
package dev.yuzui.backend.cpu;
