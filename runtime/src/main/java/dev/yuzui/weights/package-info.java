/**
 * Checkpoints: GGUF files and Hugging Face folders, mapped into memory and validated before use.
 */
package dev.yuzui.weights;
