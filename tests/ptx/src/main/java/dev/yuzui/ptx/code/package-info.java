/**
 * PTX as it lies in a fat binary: the container, the text, its instructions and operands. Nothing
 * here knows what an instruction does.
 */
package dev.yuzui.ptx.code;
