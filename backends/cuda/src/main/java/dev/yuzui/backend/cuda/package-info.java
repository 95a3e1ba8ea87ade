/**
 * NVIDIA GPUs, over JCuda's driver API: nothing but the driver's libcuda.so.1 is needed. All driver
 * calls go through {@link dev.yuzui.backend.cuda.Cu}, which is one device's context; {@link
 * dev.yuzui.backend.cuda.CudaOps} turns each op into launches of the kernels in
 * native-kernels/cuda; a recording is a CUDA graph.
 *
 * <p>Weights are repacked on the device as they arrive, see {@link dev.yuzui.backend.cuda.Tiles}.
 */
package dev.yuzui.backend.cuda;
