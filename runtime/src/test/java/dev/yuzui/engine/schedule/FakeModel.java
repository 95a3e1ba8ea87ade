package dev.yuzui.engine.schedule;

import dev.yuzui.backend.reference.ReferenceProvider;
import dev.yuzui.cache.KvCacheStore;
import dev.yuzui.cache.KvCaches;
import dev.yuzui.cache.Sequence;
import dev.yuzui.engine.api.EngineException;
import dev.yuzui.engine.api.GenerateRequest;
import dev.yuzui.engine.api.Generation;
import dev.yuzui.engine.api.GenerationListener;
import dev.yuzui.engine.api.GenerationPromise;
import dev.yuzui.engine.api.Speculation;
import dev.yuzui.engine.draft.DraftModelProposer;
import dev.yuzui.engine.step.BestTokens;
import dev.yuzui.engine.step.Chunk;
import dev.yuzui.engine.step.Steps;
import dev.yuzui.sampling.SamplingParams;
import dev.yuzui.spi.Backend;
import dev.yuzui.spi.BackendException;
import dev.yuzui.spi.BackendOptions;
import dev.yuzui.spi.Encoding;
import dev.yuzui.spi.Tensor;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.Random;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.locks.ReentrantLock;

/**
 * A loop around a model that keeps a sequence's tokens in its pages, as numbers, and whose next
 * token follows from all of them: a page that is lost, shared wrongly or read too early shows.
 */
final class FakeModel implements Steps, AutoCloseable {
  static final int VOCABULARY = 97;
  static final int CONTEXT = 64;

  static final GenerationListener NOBODY = (id, text) -> {};

  private static final int COUNTS = 12;

  private static final int PAGE_TOKENS = 4;

  final Backend backend = new ReferenceProvider().open(BackendOptions.defaults());
  final KvCacheStore cache;
  final EngineLoop loop;

  /** Tokens of each chunk of each pass so far. */
  final List<List<Integer>> passes = new CopyOnWriteArrayList<>();

  private final ReentrantLock device = new ReentrantLock(true);
  private final int maxTokens;
  private final Arena arena = Arena.ofShared();
  private final MemorySegment page = arena.allocate(4L * PAGE_TOKENS, 4);
  private final List<Integer> next = new ArrayList<>();
  private long orders;
  private volatile Optional<BackendException> failure = Optional.empty();
  private volatile long stepMillis;
  private volatile int overflows = -1;

  static GenerateRequest request(List<Integer> prompt, int tokens) {
    return GenerateRequest.of(prompt)
        .withSampling(SamplingParams.GREEDY)
        .withMaxTokens(tokens)
        .withIgnoreEos(true);
  }

  static List<Integer> prompt(int length, int seed) {
    return new Random(seed).ints(length, 0, VOCABULARY).boxed().toList();
  }

  FakeModel(int maxSequences, int pages, int maxTokens) {
    this(maxSequences, pages, maxTokens, Speculation.NONE);
  }

  FakeModel(int maxSequences, int pages, int maxTokens, Speculation speculation) {
    this(maxSequences, pages, maxTokens, speculation, Optional.empty());
  }

  FakeModel(
      int maxSequences,
      int pages,
      int maxTokens,
      Speculation speculation,
      Optional<DraftModelProposer> draftModel) {
    this.maxTokens = maxTokens;
    cache =
        new KvCacheStore(
            _ -> backend, 1, 1, Encoding.F32, PAGE_TOKENS, CONTEXT, maxSequences, pages);
    loop =
        new EngineLoop(
            this,
            new KvCaches(List.of(cache)),
            device,
            VOCABULARY,
            new SpeculativeDecoder(speculation, maxTokens, Optional.empty(), draftModel));
  }

  /** Drafts of this model for another, every fifth of them wrong; none unless they are wanted. */
  Optional<DraftModelProposer> proposer(Speculation.Drafts drafts) {
    Steps clumsy =
        new Steps() {
          private int asked;

          @Override
          public int maxTokens() {
            return maxTokens;
          }

          @Override
          public int maxOutputs() {
            return maxTokens;
          }

          @Override
          public void run(List<Chunk> chunks, int candidates) {
            FakeModel.this.run(chunks, candidates);
          }

          @Override
          public BestTokens best(int index) {
            BestTokens best = FakeModel.this.best(index);
            return ++asked % 5 > 0
                ? best
                : new BestTokens(new int[] {(best.ids()[0] + 1) % VOCABULARY}, best.logits());
          }

          @Override
          public void logits(int index, float[] out) {
            FakeModel.this.logits(index, out);
          }
        };
    return drafts == Speculation.Drafts.MODEL
        ? Optional.of(
            new DraftModelProposer(
                clumsy, new KvCaches(List.of(cache)), CONTEXT, VOCABULARY, VOCABULARY))
        : Optional.empty();
  }

  /** The token that follows {@code tokens}; some stretches count, so that runs come up again. */
  static int successor(List<Integer> tokens) {
    int last = tokens.getLast();
    if (last < COUNTS && tokens.size() % 7 != 0) {
      return (last + 1) % COUNTS;
    }
    int hash = tokens.hashCode() * 0x9E3779B9 >>> 8;
    return Math.floorMod(hash, tokens.size() % 3 == 0 ? COUNTS : VOCABULARY);
  }

  /** The logits behind {@code tokens}: the successor's is 0, each further id, round, one less. */
  static float logit(List<Integer> tokens, int id) {
    return -Math.floorMod(id - successor(tokens), VOCABULARY);
  }

  /** What the model makes of {@code prompt}, by itself. */
  static List<Integer> alone(List<Integer> prompt, int tokens) {
    List<Integer> all = new ArrayList<>(prompt);
    for (int i = 0; i < tokens; i++) {
      all.add(successor(all));
    }
    return all.subList(prompt.size(), all.size());
  }

  synchronized List<Generation> generate(
      GenerateRequest request, int answers, GenerationListener listener) {
    List<Request> all = new ArrayList<>();
    for (int i = 0; i < answers; i++) {
      GenerationPromise promise = new GenerationPromise(loop::cancel);
      all.add(
          new Request(orders++, request, promise, listener, CONTEXT, _ -> false, Optional.empty()));
    }
    try {
      loop.submit(all.getFirst(), all.subList(1, answers));
    } catch (EngineException e) {
      all.forEach(each -> each.promise().fail(e));
    }
    return all.stream().map(Request::generation).toList();
  }

  Generation generate(GenerateRequest request) {
    return generate(request, 1, (id, text) -> {}).getFirst();
  }

  void fail(String message) {
    failure = Optional.of(new BackendException(message, "plug it in again"));
  }

  /** Behind sequences of this length there is no number. */
  void overflowBehind(int length) {
    overflows = length;
  }

  void takeMillisForAStep(long millis) {
    stepMillis = millis;
  }

  @Override
  public int maxTokens() {
    return maxTokens;
  }

  @Override
  public int maxOutputs() {
    return maxTokens;
  }

  @Override
  public void run(List<Chunk> chunks, int candidates) {
    failure.ifPresent(
        e -> {
          throw e;
        });
    try {
      Thread.sleep(stepMillis);
    } catch (InterruptedException e) {
      throw new IllegalStateException(e);
    }
    next.clear();
    passes.add(chunks.stream().map(chunk -> chunk.tokens().length).toList());
    for (Chunk chunk : chunks) {
      Sequence sequence = chunk.sequence();
      sequence.reserve(chunk.tokens().length);
      for (int i = 0; i < chunk.tokens().length; i++) {
        page.set(ValueLayout.JAVA_FLOAT, 0, chunk.tokens()[i]);
        backend.write(entries(sequence, sequence.length() + i, 1), page.asSlice(0, 4));
      }
      int before = sequence.length();
      sequence.advance(chunk.tokens().length);
      List<Integer> all = chunk.outputCount() > 0 ? read(sequence) : List.of();
      switch (chunk.outputs()) {
        case NONE -> {}
        case LAST -> next.add(row(all));
        case ALL -> {
          for (int end = before + 1; end <= all.size(); end++) {
            next.add(row(all.subList(0, end)));
          }
        }
      }
    }
  }

  private int row(List<Integer> tokens) {
    return tokens.size() == overflows ? -1 : successor(tokens);
  }

  private List<Integer> read(Sequence sequence) {
    List<Integer> tokens = new ArrayList<>();
    for (int at = 0; at < sequence.length(); at += PAGE_TOKENS) {
      int count = Math.min(PAGE_TOKENS, sequence.length() - at);
      backend.read(entries(sequence, at, count), page.asSlice(0, 4L * count));
      for (int i = 0; i < count; i++) {
        tokens.add((int) page.getAtIndex(ValueLayout.JAVA_FLOAT, i));
      }
    }
    return tokens;
  }

  private Tensor entries(Sequence sequence, int at, int count) {
    long row = (long) sequence.page(at / PAGE_TOKENS) * PAGE_TOKENS + at % PAGE_TOKENS;
    return cache.layer(0).entries().slice("entries", row, count);
  }

  @Override
  public BestTokens best(int index) {
    int id = next.get(index);
    return id < 0
        ? new BestTokens(new int[] {0}, new float[] {Float.POSITIVE_INFINITY})
        : new BestTokens(new int[] {id}, new float[] {1});
  }

  @Override
  public void logits(int index, float[] out) {
    for (int id = 0; id < VOCABULARY; id++) {
      out[id] = -Math.floorMod(id - next.get(index), VOCABULARY);
    }
  }

  @Override
  public void close() {
    loop.close();
    cache.close();
    backend.close();
    arena.close();
  }
}
