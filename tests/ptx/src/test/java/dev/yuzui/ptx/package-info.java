/** The kernels that ship, run by the interpreter and held against sums in double. */
package dev.yuzui.ptx;
