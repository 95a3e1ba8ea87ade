/** OpenAI's interface: chat completions, completions, responses, models. */
package dev.yuzui.server.openai;
