package dev.yuzui.backend.cpu;

/** One step of a recording. The team runs ops in order and the chunks of an op in any. */
abstract class Op {
  /**
   * How many pieces of work this run has; may look at device memory. Called by one thread after all
   * earlier ops are done. 0 skips the op; 1 runs it at once on the calling thread, without a
   * barrier, so ops too small to share cost no synchronisation.
   */
  abstract int chunks();

  abstract void run(int chunk, Lane lane);
}
