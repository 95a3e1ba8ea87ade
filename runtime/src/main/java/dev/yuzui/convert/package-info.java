/**
 * Checkpoints written as GGUF: which type each tensor gets, how its numbers are quantised, and the
 * file, whole or in parts, that a cut run goes on with.
 */
package dev.yuzui.convert;
