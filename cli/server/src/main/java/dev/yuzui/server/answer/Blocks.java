package dev.yuzui.server.answer;

import dev.yuzui.server.http.EventStream;
import dev.yuzui.text.OutputEvent;
import java.util.List;
import java.util.Optional;

/**
 * Tells the one answer of a request as a row of blocks, one open at a time, each of which grows
 * until the next begins.
 */
public abstract class Blocks implements Teller {
  /** What a block holds. */
  public enum Kind {
    REASONING,
    TEXT,
    CALL
  }

  /**
   * A block that is open.
   *
   * @param index of the block in the answer, from 0
   * @param id of a call, else empty
   * @param name of a called tool, else empty
   * @param soFar its text, or a call's arguments
   */
  public record Block(int index, Kind kind, String id, String name, StringBuilder soFar) {}

  private Optional<Block> open = Optional.empty();
  private Optional<EventStream> stream = Optional.empty();
  private int blocks;

  /** Begins the stream, and says what comes before all blocks. */
  protected abstract EventStream begin() throws InterruptedException;

  protected abstract void opened(EventStream to, Block block) throws InterruptedException;

  protected abstract void grown(EventStream to, Block block, String more)
      throws InterruptedException;

  /**
   * @param whole false where the answer was cut within it
   */
  protected abstract void closed(EventStream to, Block block, boolean whole)
      throws InterruptedException;

  /** What comes behind all blocks. */
  protected abstract void ended(EventStream to, Answered all) throws InterruptedException;

  protected final EventStream stream() throws InterruptedException {
    if (stream.isEmpty()) {
      stream = Optional.of(begin());
    }
    return stream.get();
  }

  @Override
  public void progress(int done, int total) {}

  @Override
  public void ping() throws InterruptedException {
    stream().ping();
  }

  @Override
  public void piece(int choice, Piece piece, List<OutputEvent> events) throws InterruptedException {
    EventStream _ = stream();
    tell(events);
  }

  private void tell(List<OutputEvent> events) throws InterruptedException {
    for (OutputEvent event : events) {
      switch (event) {
        case OutputEvent.Reasoning(String text) -> grow(Kind.REASONING, text);
        case OutputEvent.Content(String text) -> grow(Kind.TEXT, text);
        case OutputEvent.CallBegin(_, String id, String name) -> open(Kind.CALL, id, name);
        case OutputEvent.CallArguments(_, String json) -> grow(Kind.CALL, json);
        case OutputEvent.CallEnd _ -> close(true);
      }
    }
  }

  private void grow(Kind kind, String text) throws InterruptedException {
    if (open.isEmpty() || open.get().kind() != kind) {
      open(kind, "", "");
    }
    Block block = open.orElseThrow();
    block.soFar().append(text);
    grown(stream(), block, text);
  }

  private void open(Kind kind, String id, String name) throws InterruptedException {
    close(true);
    Block block = new Block(blocks++, kind, id, name, new StringBuilder());
    open = Optional.of(block);
    opened(stream(), block);
  }

  private void close(boolean whole) throws InterruptedException {
    if (open.isPresent()) {
      Block block = open.get();
      open = Optional.empty();
      closed(stream(), block, whole);
    }
  }

  @Override
  public void done(Answer answer, List<OutputEvent> last) throws InterruptedException {
    tell(last);
    boolean call = open.map(block -> block.kind() == Kind.CALL).orElse(false);
    close(!call && !answer.cut()); // a call that is whole was closed by its end
  }

  @Override
  public void end(Answered all) throws InterruptedException {
    ended(stream(), all);
    stream().end();
  }

  @Override
  public boolean begun() {
    return stream.isPresent();
  }
}
