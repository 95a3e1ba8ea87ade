/** {@code yuzui logits} and {@code perplexity}: numbers about a text. */
package dev.yuzui.cli.evaluate;
