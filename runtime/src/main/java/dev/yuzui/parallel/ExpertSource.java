package dev.yuzui.parallel;

import dev.yuzui.spi.HostTensor;
import java.lang.foreign.Arena;

/** Where experts come from when they are to lie elsewhere. */
public interface ExpertSource {
  /** An expert's projections as they are stored. */
  record Stored(HostTensor gate, HostTensor up, HostTensor down) {}

  /**
   * @param owner of what is made of what is stored
   */
  Stored expert(int layer, int expert, Arena owner);
}
