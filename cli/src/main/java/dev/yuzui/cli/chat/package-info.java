/** {@code yuzui chat}: a conversation on a terminal or through a pipe. */
package dev.yuzui.cli.chat;
