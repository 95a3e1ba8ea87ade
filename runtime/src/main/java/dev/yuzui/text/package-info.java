/**
 * Text in and out of token ids: tokenizers of Hugging Face folders and GGUF files, streaming
 * decoding, stop strings, reasoning blocks and chat templates.
 */
package dev.yuzui.text;
