/**
 * The processor as a device. An {@link dev.yuzui.backend.cpu.CpuQueue} turns each call on its ops
 * into an {@link dev.yuzui.backend.cpu.Op} with addresses worked out, and runs it at once or notes
 * it; a recording is an array of ops that a {@link dev.yuzui.backend.cpu.Team} of threads walks in
 * one parallel region. Inner loops are behind {@link dev.yuzui.backend.cpu.CpuKernels}: on the
 * Vector API where it is, scalar otherwise.
 *
 * <p>Weights lie in strips ({@link dev.yuzui.backend.cpu.Packed}), which {@link
 * dev.yuzui.backend.cpu.StripKernels} multiply by activations of eight bits; or they stay where
 * they are mapped and are multiplied by F32 ones. Long steps of the Vector API's strips take F32 as
 * well ({@link dev.yuzui.backend.cpu.VectorPanels}). What one start puts into strips the next may
 * map ({@link dev.yuzui.backend.cpu.RepackFile}).
 */
package dev.yuzui.backend.cpu;
