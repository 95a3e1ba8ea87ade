/**
 * An engine behind HTTP: {@link dev.yuzui.server.Server}. One virtual thread a request; the rooms
 * below are the interfaces, and {@code answer} is what they share.
 */
package dev.yuzui.server;
