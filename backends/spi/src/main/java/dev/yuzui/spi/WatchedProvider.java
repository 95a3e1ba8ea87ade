package dev.yuzui.spi;

import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.ConcurrentHashMap;

/**
 * A backend whose products are watched: before each, what it reads is copied to the host and shown.
 * Composite ops are composed, so that the products within are seen. Slow; the numbers are the
 * backend's own.
 */
public record WatchedProvider(BackendProvider watched, ProductWatcher watcher)
    implements BackendProvider {
  @Override
  public String name() {
    return watched.name();
  }

  @Override
  public int preference() {
    return watched.preference();
  }

  @Override
  public Probe probe() {
    return watched.probe();
  }

  @Override
  public List<Probe> probeAll() {
    return watched.probeAll();
  }

  @Override
  public Probe probe(Optional<String> device) {
    return watched.probe(device);
  }

  @Override
  public long weightBytes(Encoding encoding, long rows, long cols, int count, boolean repack) {
    return watched.weightBytes(encoding, rows, cols, count, repack);
  }

  @Override
  public Optional<RepackCache.State> repacked(RepackCache cache, Optional<String> device) {
    return watched.repacked(cache, device);
  }

  @Override
  public boolean host() {
    return watched.host();
  }

  @Override
  public int promptTokens() {
    return watched.promptTokens();
  }

  @Override
  public Backend open(BackendOptions options) {
    return new Watched(watched.open(options), watcher, new ConcurrentHashMap<>());
  }

  /**
   * @param names of weights, by what became of them
   */
  private record Watched(Backend backend, ProductWatcher watcher, Map<Tensor, String> names)
      implements Backend {
    @Override
    public String name() {
      return backend.name();
    }

    @Override
    public Capabilities capabilities() {
      return backend.capabilities();
    }

    @Override
    public String description() {
      return backend.description();
    }

    @Override
    public DeviceBuffer allocate(long bytes, String purpose) {
      return backend.allocate(bytes, purpose);
    }

    private Tensor named(Tensor tensor, HostTensor weight) {
      names.put(tensor, weight.name());
      return tensor;
    }

    @Override
    public Tensor upload(HostTensor weight) {
      return named(backend.upload(weight), weight);
    }

    @Override
    public Tensor uploadTable(HostTensor table) {
      return named(backend.uploadTable(table), table);
    }

    @Override
    public void uploaded() {
      backend.uploaded();
    }

    @Override
    public boolean repeats() {
      return backend.repeats();
    }

    @Override
    public boolean borrowsExperts(Encoding encoding) {
      return backend.borrowsExperts(encoding);
    }

    @Override
    public ExpertWeights uploadExperts(String name, List<HostTensor> experts) {
      ExpertWeights weights = backend.uploadExperts(name, experts);
      for (int e = 0; e < experts.size(); e++) {
        names.put(weights.experts().get(e), experts.get(e).name());
      }
      return weights;
    }

    @Override
    public ExpertWeights replace(ExpertWeights experts, int index, HostTensor expert) {
      ExpertWeights weights = backend.replace(experts, index, expert);
      names.put(weights.experts().get(index), expert.name());
      return weights;
    }

    @Override
    public void write(Tensor to, MemorySegment from) {
      backend.write(to, from);
    }

    @Override
    public void fill(Tensor to, MemorySegment pattern) {
      backend.fill(to, pattern);
    }

    @Override
    public void read(Tensor from, MemorySegment to) {
      backend.read(from, to);
    }

    @Override
    public DeviceQueue openQueue() {
      return new Queue(this, backend.openQueue());
    }

    @Override
    public void close() {
      backend.close();
    }

    List<String> namesOf(ExpertWeights weights) {
      List<String> all = new ArrayList<>();
      weights.experts().forEach(t -> all.add(names.getOrDefault(t, "")));
      return all;
    }
  }

  private record Queue(Watched backend, DeviceQueue queue) implements DeviceQueue {
    @Override
    public Ops ops() {
      return new WatchedOps(
          backend.backend,
          queue,
          t -> backend.names.getOrDefault(t, ""),
          backend::namesOf,
          backend.watcher);
    }

    @Override
    public void begin() {
      queue.begin();
    }

    @Override
    public Recording end() {
      return queue.end();
    }

    @Override
    public void abandon() {
      queue.abandon();
    }

    @Override
    public void hostTask(Runnable task) {
      queue.hostTask(task);
    }

    @Override
    public void synchronize() {
      queue.synchronize();
    }

    @Override
    public void close() {
      queue.close();
    }
  }
}
