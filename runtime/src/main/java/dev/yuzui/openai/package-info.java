/**
 * The OpenAI interface's requests and answers, as batches and servers have them: a body becomes a
 * {@link dev.yuzui.openai.ParsedRequest}, results become choices.
 */
package dev.yuzui.openai;
