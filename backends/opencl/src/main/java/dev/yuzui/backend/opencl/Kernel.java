package dev.yuzui.backend.opencl;

/**
 * A kernel of a built program.
 *
 * @param program the driver's handle
 */
record Kernel(long program, String name) {}
