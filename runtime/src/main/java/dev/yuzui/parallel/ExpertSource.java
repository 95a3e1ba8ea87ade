package dev.yuzui.parallel;

import dev.yuzui.spi.HostTensor;

/** Where experts come from when they are to lie elsewhere. */
public interface ExpertSource {
  /** An expert's projections as they are stored. */
  record Stored(HostTensor gate, HostTensor up, HostTensor down) {}

  Stored expert(int layer, int expert);
}
