package dev.yuzui.server.http;

import java.util.Optional;

/**
 * What answers a path.
 *
 * @param open whether it answers without a key
 * @param admission asked as soon as a request's headers are there, before its body is read; what it
 *     gives is the answer
 */
public record Route(
    String method,
    String path,
    ErrorForm errors,
    boolean open,
    Admission admission,
    Handler handler) {
  /** Answers on a thread of the request's own; may throw {@link HttpProblem}. */
  @FunctionalInterface
  public interface Handler {
    void handle(Call call) throws InterruptedException;
  }

  /** Turns requests away that would only wait. Asked on an event loop: it must not. */
  @FunctionalInterface
  public interface Admission {
    Optional<HttpProblem> refusal();
  }

  public static Route get(String path, ErrorForm errors, Handler handler) {
    return new Route("GET", path, errors, false, Optional::empty, handler);
  }

  public static Route post(String path, ErrorForm errors, Handler handler) {
    return new Route("POST", path, errors, false, Optional::empty, handler);
  }

  /** Answers anybody. */
  public Route opened() {
    return new Route(method, path, errors, true, admission, handler);
  }

  public Route admittedBy(Admission gate) {
    return new Route(method, path, errors, open, gate, handler);
  }
}
