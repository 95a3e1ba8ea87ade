/** ollama's interface: chat, generate, tags. */
package dev.yuzui.server.ollama;
