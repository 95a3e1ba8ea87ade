/** Anthropic's interface: messages, and the counting of their tokens. */
package dev.yuzui.server.anthropic;
