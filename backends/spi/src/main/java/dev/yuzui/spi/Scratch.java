package dev.yuzui.spi;

/**
 * Memory for what lives within a step, handed out like a stack: the same order of calls gives the
 * same addresses, so a recording may be replayed. Ops run in queue order, so memory of a closed
 * frame may be handed out again at once.
 */
public interface Scratch {
  /** Opens a frame; closing it gives back all that was handed out since. */
  Frame frame();

  /** Uninitialised memory; {@code encoding} is F32 or I32. */
  Tensor tensor(String name, Encoding encoding, long rows, long cols);

  default Tensor f32(String name, long rows, long cols) {
    return tensor(name, Encoding.F32, rows, cols);
  }

  default Tensor i32(String name, long rows, long cols) {
    return tensor(name, Encoding.I32, rows, cols);
  }

  interface Frame extends AutoCloseable {
    @Override
    void close();
  }
}
