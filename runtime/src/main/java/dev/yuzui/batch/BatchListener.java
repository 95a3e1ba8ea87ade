package dev.yuzui.batch;

/** Hears how a batch goes, on the thread that runs it. */
public interface BatchListener {
  /** Nobody listens. */
  BatchListener NONE =
      new BatchListener() {
        @Override
        public void answered(long promptTokens, long generatedTokens) {}

        @Override
        public void failed() {}
      };

  /** A line has its answer. */
  void answered(long promptTokens, long generatedTokens);

  /** A line has an error in its place. */
  void failed();

  /** Some tenths of a second have passed, or less. */
  default void tick() {}
}
