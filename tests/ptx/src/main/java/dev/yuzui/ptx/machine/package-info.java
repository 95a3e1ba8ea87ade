/**
 * A device that runs {@link dev.yuzui.ptx.code PTX} as the PTX ISA describes it, a block at a time,
 * a warp of 32 lanes at an instruction. Where the ISA leaves a choice it takes the worst: variables
 * have no more alignment than declared, what was not written is NaN, asynchronous copies arrive
 * when they are waited for. Accesses that nothing orders are reported as {@link Hazard}s.
 */
package dev.yuzui.ptx.machine;
