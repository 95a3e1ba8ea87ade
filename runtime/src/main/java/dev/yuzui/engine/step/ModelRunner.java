package dev.yuzui.engine.step;

import dev.yuzui.cache.KvCaches;
import dev.yuzui.cache.Sequence;
import dev.yuzui.engine.api.DeviceLoad;
import dev.yuzui.engine.api.EngineException;
import dev.yuzui.engine.api.Observer;
import dev.yuzui.model.DeepseekModel;
import dev.yuzui.model.Point;
import dev.yuzui.model.Step.AttentionForm;
import dev.yuzui.parallel.DeviceFailure;
import dev.yuzui.parallel.DeviceGroup;
import dev.yuzui.parallel.Exchanges;
import dev.yuzui.parallel.ParallelException;
import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeMap;

/**
 * Runs steps: several sequences with several tokens each. Each rank fills the {@link StepInputs} of
 * its sequences and replays the recordings of its part's shape (recording them the first time);
 * where devices need each other's rows, the ranks meet. Then logits that were asked for can be read
 * back. Not thread-safe.
 */
public final class ModelRunner implements Steps, AutoCloseable {
  private static final Pass FROM_MAIN = new Pass(Pass.Start.MAIN, 0, false, Pass.ALL_TOKENS);

  /** A row of a rank's step, or of its logits. */
  private record Place(int rank, int index) {}

  private final DeviceGroup group;
  private final Optional<Exchanges> exchanges;
  private final KvCaches caches;
  private final List<RankRunner> ranks = new ArrayList<>();
  private final int maxTokens;
  private final LegRunner legs;
  private long deviceNanos;

  // of several ranks; a lone one's rows are where they are
  private List<Place> rowsOfLast = List.of(); // of the main model's last step
  private List<Place> statesOfLast = List.of(); // of the MTP layer's last step
  private List<Place> outputsOfLast = List.of();

  /**
   * @param exchanges of the models' experts, where several devices hold them
   * @param models one for each rank
   */
  public ModelRunner(
      DeviceGroup group,
      Optional<Exchanges> exchanges,
      List<DeepseekModel> models,
      KvCaches caches,
      int batchTokens) {
    this.group = group;
    this.exchanges = exchanges;
    this.caches = caches;
    this.legs = new LegRunner(group, ranks);
    this.maxTokens = maxTokens(group, batchTokens);
    try {
      for (int rank = 0; rank < models.size(); rank++) {
        ranks.add(new RankRunner(group, models.get(rank), caches.rank(rank), maxTokens));
      }
    } catch (RuntimeException | Error e) {
      close();
      throw e;
    }
  }

  /** A step's tokens at most, where {@code batchTokens} are asked for. */
  public static int maxTokens(DeviceGroup group, int batchTokens) {
    int tokens = 0;
    for (int d = 0; d < group.size(); d++) {
      tokens = Math.max(tokens, group.backend(d).capabilities().bucket(batchTokens));
    }
    for (int d = 0; d < group.size(); d++) {
      tokens = Math.min(tokens, group.backend(d).capabilities().maxTokens());
    }
    return tokens;
  }

  public int mtpLayers() {
    return ranks.getFirst().mtpLayers();
  }

  @Override
  public int maxTokens() {
    return maxTokens;
  }

  @Override
  public int maxOutputs() {
    return ranks.getFirst().maxOutputs();
  }

  /** Rows of logits at most that a step makes of all sequences. */
  public int mostOutputs() {
    return Math.min(maxTokens, ranks.size() * maxOutputs());
  }

  @Override
  public AttentionForm form(int start, int tokens) {
    return ranks.getFirst().form(start, tokens);
  }

  /**
   * Appends the chunks to their sequences. Logits of the wanted rows are then at {@link #logits},
   * in order.
   */
  public void run(List<Chunk> chunks) {
    run(chunks, 0);
  }

  /**
   * {@link #run(List)}, with the {@code candidates} best logits of each wanted row at {@link #best}
   * besides: a few numbers to read back, where a row of logits is wide.
   *
   * @param candidates at most {@link dev.yuzui.spi.Ops#MAX_TOP_K}; 0 picks none
   */
  @Override
  public void run(List<Chunk> chunks, int candidates) {
    exchanges.ifPresent(Exchanges::rebalance);
    for (Chunk chunk : chunks) {
      chunk.sequence().reserve(chunk.tokens().length);
    }
    run(Pass.MAIN, rows(chunks), candidates);
    for (Chunk chunk : chunks) {
      chunk.sequence().advance(chunk.tokens().length);
    }
  }

  /** {@link #run(List)}, op by op, which waits wherever {@code observer} looks; of one rank. */
  public void observe(List<Chunk> chunks, Observer observer) {
    for (Chunk chunk : chunks) {
      chunk.sequence().reserve(chunk.tokens().length);
    }
    observe(Pass.MAIN, rows(chunks), observer);
    for (Chunk chunk : chunks) {
      chunk.sequence().advance(chunk.tokens().length);
    }
  }

  /** {@link #runMtp(Sequence, int, int[])}, op by op. */
  public void observeMtp(Sequence sequence, int start, int[] next, Observer observer) {
    observe(FROM_MAIN, List.of(new Rows(sequence, start, next, Outputs.ALL, 0)), observer);
  }

  private void observe(Pass pass, List<Rows> rows, Observer observer) {
    if (ranks.size() == 1) {
      ranks.getFirst().observe(pass, rows, observer);
    } else {
      split(pass, rows).forEach((rank, part) -> ranks.get(rank).observe(pass, part, observer));
    }
  }

  /**
   * @return how many experts the rows of the step went to, for each layer that has experts
   */
  public List<Integer> countExperts(List<Chunk> chunks) {
    Map<Integer, Set<Integer>> chosen = new TreeMap<>();
    observe(
        chunks,
        (layer, point, values) -> {
          if (point == Point.EXPERT_IDS) {
            Set<Integer> experts = chosen.computeIfAbsent(layer, _ -> new LinkedHashSet<>());
            for (float id : values.read()) {
              experts.add((int) id);
            }
          }
        });
    return chosen.values().stream().map(Set::size).toList();
  }

  private static List<Rows> rows(List<Chunk> chunks) {
    List<Rows> rows = new ArrayList<>(chunks.size());
    for (Chunk c : chunks) {
      rows.add(new Rows(c.sequence(), c.sequence().length(), c.tokens(), c.outputs(), 0));
    }
    return rows;
  }

  /**
   * Runs the MTP layer over states that the last {@link #run} left, and writes its cache; the main
   * model's logits are gone then.
   *
   * @param rows whose sources are rows of that run, and whose tokens those that follow: row i, from
   *     the state of entry i and token i+1, predicts token i+2
   */
  public void runMtp(List<Rows> rows, int candidates) {
    run(FROM_MAIN, rows, candidates);
  }

  /**
   * {@link #runMtp(List, int)} of any MTP layer, those behind the first over states of the layer
   * before.
   *
   * @param more whether a layer behind this one runs next: the states of all rows are left then
   * @param rows whose sources are rows of the pass before, and whose tokens those that follow at
   *     the layer's distance: row i of layer n, from token i+1+n, predicts token i+2+n
   * @param vocabulary the logits are those of the first so many tokens, or a few more
   */
  public void runMtp(int layer, boolean more, List<Rows> rows, int candidates, int vocabulary) {
    Pass.Start start = layer == 0 ? Pass.Start.MAIN : Pass.Start.MTP;
    run(new Pass(start, layer, more, vocabulary), rows, candidates);
  }

  /**
   * Runs an MTP layer over states that it left itself, for a draft behind a draft. Entries from the
   * sequence's length on must be {@linkplain Sequence#reserve reserved}.
   *
   * @param layer the one that ran last
   * @param rows whose sources are outputs of its last run
   * @param vocabulary as in {@link #runMtp(int, boolean, List, int, int)}
   */
  public void chainMtp(int layer, List<Rows> rows, int candidates, int vocabulary) {
    run(new Pass(Pass.Start.MTP, layer, false, vocabulary), rows, candidates);
  }

  /**
   * {@link #runMtp} with all logits, after a run of one chunk that began at {@code start}.
   *
   * @param next may be one shorter than the chunk, whose last state is then left out
   */
  public void runMtp(Sequence sequence, int start, int[] next) {
    runMtp(List.of(new Rows(sequence, start, next, Outputs.ALL, 0)), 0);
  }

  @Override
  public long deviceNanos() {
    return deviceNanos;
  }

  private void run(Pass pass, List<Rows> all, int candidates) {
    if (ranks.size() == 1) {
      List<Leg> course = ranks.getFirst().prepare(pass, all, candidates);
      timed(() -> legs.run(ranks.getFirst(), course));
      return;
    }
    Map<Integer, List<Leg>> courses = new TreeMap<>();
    split(pass, all)
        .forEach(
            (rank, part) -> courses.put(rank, ranks.get(rank).prepare(pass, part, candidates)));
    timed(() -> legs.run(courses));
  }

  private void timed(Runnable work) {
    long start = System.nanoTime();
    work.run();
    deviceNanos += System.nanoTime() - start;
  }

  /** The rows of each rank, whose sources become rows of that rank. */
  private Map<Integer, List<Rows>> split(Pass pass, List<Rows> all) {
    List<Place> before = pass.start() == Pass.Start.MTP ? statesOfLast : rowsOfLast;
    List<Place> rows = new ArrayList<>();
    List<Place> outputs = new ArrayList<>();
    Map<Integer, List<Rows>> parts = new TreeMap<>();
    int[] rowsOf = new int[ranks.size()];
    int[] outputsOf = new int[ranks.size()];
    for (Rows part : all) {
      int rank = caches.rankOf(part.sequence());
      int source = pass.takesStates() ? before.get(part.source()).index() : 0;
      parts
          .computeIfAbsent(rank, _ -> new ArrayList<>())
          .add(new Rows(part.sequence(), part.start(), part.tokens(), part.outputs(), source));
      for (int i = 0; i < part.tokens().length; i++) {
        rows.add(new Place(rank, rowsOf[rank]++));
      }
      for (int i = 0; i < part.outputs().count(part.tokens().length); i++) {
        outputs.add(new Place(rank, outputsOf[rank]++));
      }
    }
    if (pass.takesStates()) {
      statesOfLast = pass.whole() ? rows : outputs;
    } else {
      rowsOfLast = rows;
    }
    outputsOfLast = outputs;
    return parts;
  }

  /** What each device did since the start. */
  public List<DeviceLoad> loads() {
    List<DeviceLoad> loads = new ArrayList<>();
    for (int d = 0; d < group.size(); d++) {
      int sequences = 0;
      long tokens = 0;
      for (int rank = 0; rank < ranks.size(); rank++) {
        if (ranks.get(rank).uses(d)) {
          sequences += caches.isLost(rank) ? 0 : caches.rank(rank).openSequences();
          tokens += ranks.get(rank).tokens();
        }
      }
      int device = d;
      loads.add(
          new DeviceLoad(
              group.name(d),
              sequences,
              tokens,
              exchanges.map(x -> x.expertTokens(device)).orElse(0L),
              group.bytesIn(d),
              group.bytesOut(d)));
    }
    return loads;
  }

  @Override
  public void lose(DeviceFailure failure) {
    for (int rank = 0; rank < ranks.size(); rank++) {
      if (ranks.get(rank).uses(failure.device())) {
        caches.lose(rank);
      }
    }
    if (!caches.usable()) {
      throw new EngineException(
          failure.getMessage() + "; no device that runs attention is left", failure);
    }
    try {
      exchanges.ifPresent(x -> x.lose(failure.device()));
    } catch (ParallelException e) {
      throw new EngineException(
          failure.getMessage()
              + "; "
              + e.getMessage()
              + ": with Distribution.redundantExperts others may go on",
          failure);
    }
  }

  /** Copies row {@code index} of the last step's logits into {@code out} [vocab]. */
  @Override
  public void logits(int index, float[] out) {
    Place place = output(index);
    ranks.get(place.rank()).outputs().read(place.index(), out);
  }

  /** The best token of each wanted row of the last step, which was asked for candidates. */
  public int[] greedy() {
    int outputs = ranks.size() == 1 ? ranks.getFirst().outputs().wanted() : outputsOfLast.size();
    int[] tokens = new int[outputs];
    for (int i = 0; i < outputs; i++) {
      Place place = output(i);
      tokens[i] = ranks.get(place.rank()).outputs().greedy(place.index());
    }
    return tokens;
  }

  /** The best logits of row {@code index}, as many as the last step was asked for or more. */
  @Override
  public BestTokens best(int index) {
    Place place = output(index);
    return ranks.get(place.rank()).outputs().best(place.index());
  }

  private Place output(int index) {
    return ranks.size() == 1 ? new Place(0, index) : outputsOfLast.get(index);
  }

  @Override
  public void close() {
    ranks.forEach(RankRunner::close);
    ranks.clear();
  }
}
