package dev.yuzui.server.http;

/** Nobody waits for the answer any more. */
public final class ClientGone extends RuntimeException {
  private static final long serialVersionUID = 1L;

  ClientGone(String why) {
    super(why);
  }
}
