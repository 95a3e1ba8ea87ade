/**
 * Any vendor's devices, over OpenCL 1.2 without extensions; LWJGL calls the driver. All driver
 * calls on an open device go through {@link dev.yuzui.backend.opencl.Cl}, which is one device's
 * context; {@link dev.yuzui.backend.opencl.OpenClOps} turns each op into launches of the kernels in
 * native-kernels/opencl, which the driver compiles ({@link dev.yuzui.backend.opencl.Programs}); a
 * recording is a list of launches whose arguments are set.
 *
 * <p>Weights stay in the file's layout, see {@link dev.yuzui.backend.opencl.Layout}. Memory is a
 * buffer and a byte offset: two parameters of a kernel.
 */
package dev.yuzui.backend.opencl;
