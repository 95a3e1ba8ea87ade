package dev.yuzui.server.answer;

import dev.yuzui.server.http.HttpProblem;
import dev.yuzui.text.OutputEvent;
import java.util.List;

/**
 * How an interface tells answers. Called on the request's own thread, in order; a teller that
 * streams begins its stream with the first call, so that what is wrong with a request is said by
 * its status.
 */
public interface Teller {
  /** More of the first prompt has been read. */
  void progress(int done, int total) throws InterruptedException;

  /** Nothing came for a while. */
  void ping() throws InterruptedException;

  /**
   * @param events what the token made certain
   */
  void piece(int choice, Piece piece, List<OutputEvent> events) throws InterruptedException;

  /**
   * @param last what was still uncertain
   */
  void done(Answer answer, List<OutputEvent> last) throws InterruptedException;

  void end(Answered all) throws InterruptedException;

  /** Whether anything has been told, so that a failure is told in its place. */
  boolean begun();

  void failed(HttpProblem problem) throws InterruptedException;

  /** Tells all at once, at the end. */
  @FunctionalInterface
  interface Whole extends Teller {
    @Override
    default void progress(int done, int total) {}

    @Override
    default void ping() {}

    @Override
    default void piece(int choice, Piece piece, List<OutputEvent> events) {}

    @Override
    default void done(Answer answer, List<OutputEvent> last) {}

    @Override
    default boolean begun() {
      return false;
    }

    @Override
    default void failed(HttpProblem problem) {
      throw problem;
    }
  }
}
