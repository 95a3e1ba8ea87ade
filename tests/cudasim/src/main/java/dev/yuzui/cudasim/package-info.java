/** Puts native-kernels/cudasim under the tests of other modules. */
package dev.yuzui.cudasim;
