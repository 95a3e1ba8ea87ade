package dev.yuzui.engine.api;

/** Told how far loading is, on the loading thread. */
@FunctionalInterface
public interface LoadProgress {
  void loaded(long bytesDone, long bytesTotal);

  static LoadProgress none() {
    return (done, total) -> {};
  }
}
