package dev.yuzui.weights;

import dev.yuzui.spi.HostTensor;
import java.lang.foreign.Arena;
import java.util.AbstractList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;

/** The experts of a projection, each made when it is first asked for, and once. */
final class ExpertList extends AbstractList<HostTensor> {
  private final List<MatrixSource> sources;
  private final Arena arena;
  private final Map<Integer, HostTensor> made = new ConcurrentHashMap<>();

  /**
   * @param arena owner of what is made
   */
  ExpertList(List<MatrixSource> sources, Arena arena) {
    this.sources = sources;
    this.arena = arena;
  }

  @Override
  public HostTensor get(int expert) {
    return made.computeIfAbsent(expert, e -> sources.get(e).matrix(arena));
  }

  @Override
  public int size() {
    return sources.size();
  }
}
