/**
 * Checkpoints: GGUF files and Hugging Face folders, mapped into memory and validated before use.
 *
 * <p>{@link dev.yuzui.weights.Checkpoints} opens either; {@code GgufFile} and {@code Safetensors}
 * check one file's structure, {@code GgufConfig} and {@code HfConfig} read what the model is,
 * {@code TensorNames} says what each format calls a {@link dev.yuzui.weights.Part}, and {@code
 * TensorBinder} holds every tensor against the configuration. {@link
 * dev.yuzui.weights.SyntheticCheckpoint} makes random ones.
 */
package dev.yuzui.weights;
