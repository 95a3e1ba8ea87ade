/**
 * {@code yuzui pull}: a model from a hub into its cache, where {@code -m} and {@code -hf} find it.
 */
package dev.yuzui.cli.pull;
