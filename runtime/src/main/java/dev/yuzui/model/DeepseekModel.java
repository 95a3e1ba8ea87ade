package dev.yuzui.model;

import dev.yuzui.spi.Backend;
import dev.yuzui.spi.Encoding;
import dev.yuzui.spi.HyperShape;
import dev.yuzui.spi.Scratch;
import dev.yuzui.spi.Selection;
import dev.yuzui.spi.Tensor;
import dev.yuzui.weights.AttentionConfig;
import dev.yuzui.weights.DeepseekConfig;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/** The whole model, its layers on one device or one after another. {@link ModelLoader} makes it. */
public final class DeepseekModel {
  private final DeepseekConfig config;
  private final Tensor embedding;
  private final List<TransformerBlock> blocks;
  private final Residual.Input headInput;
  private final Optional<HyperShape> hyper;
  private final Tensor head;
  private final List<MultiTokenPredictor> predictors;
  private final List<Integer> devices;
  private final List<Integer> distinct;
  private final Map<Integer, Tensor> ropeTables;

  /**
   * @param devices of each layer, MTP layers included, which are where the last of the others is
   * @param ropeTables of the devices
   */
  DeepseekModel(
      DeepseekConfig config,
      List<Integer> devices,
      Tensor embedding,
      List<TransformerBlock> blocks,
      Optional<HyperShape> hyper,
      Residual.Input headInput,
      Tensor head,
      List<MultiTokenPredictor> predictors,
      Map<Integer, Tensor> ropeTables) {
    this.config = config;
    this.devices = List.copyOf(devices);
    this.distinct = devices.stream().distinct().toList();
    this.embedding = embedding;
    this.blocks = List.copyOf(blocks);
    this.hyper = hyper;
    this.headInput = headInput;
    this.head = head;
    this.predictors = List.copyOf(predictors);
    this.ropeTables = Map.copyOf(ropeTables);
  }

  public DeepseekConfig config() {
    return config;
  }

  /** Where steps begin. */
  public int firstDevice() {
    return devices.getFirst();
  }

  /** Where states and logits are made, and the MTP layers are. */
  public int lastDevice() {
    return devices.get(blocks.size() - 1);
  }

  /** Those of all layers, each once. */
  public List<Integer> devices() {
    return distinct;
  }

  /** cos and sin of every position, [context, R]. */
  public Tensor ropeTable(int device) {
    return ropeTables.get(device);
  }

  /** MTP layers that are loaded. */
  public int predictors() {
    return predictors.size();
  }

  /**
   * How many tokens, the first of the vocabulary, an MTP layer gives logits of where {@code wanted}
   * are: as many rows of its head as can be taken alone.
   */
  public int guessed(int depth, int wanted) {
    Tensor head = predictors.get(depth).head();
    long rows = head.encoding() instanceof Encoding.Fp8Tiled ? head.rows() : wanted;
    return (int) Math.min(Math.ceilDiv(rows, Backend.SLICE_ROWS) * Backend.SLICE_ROWS, head.rows());
  }

  /**
   * Whether the last layer can go on with the rows whose logits are wanted alone. Not where an MTP
   * layer is, even if it does not run: attention of few rows rounds otherwise than that of a whole
   * prompt, and the text must be the same with its drafts, which need the states of all rows, and
   * without.
   */
  public boolean endsWithSome() {
    return predictors.isEmpty() && distinct.size() == 1 && !shares(blocks.size() - 1);
  }

  /**
   * Enqueues a step.
   *
   * @param s on the first device
   * @param some where {@linkplain #endsWithSome the last layer} leaves the other rows behind: the
   *     step of those whose logits are wanted
   * @param hidden receives the state after the final norm, [T, H], or all streams, on the last
   *     device; where rows were left behind, nothing of meaning
   * @param logits of the rows the batch asks for, [M, vocab], on the last device; rows() may be 0
   */
  public void forward(Step s, Optional<Step> some, Tensor hidden, Tensor logits) {
    try (Scratch.Frame _ = s.scratch().frame()) {
      Tensor x = s.rows("residual", config.stateSize());
      embed(s, x);
      s.tap().at(0, Point.EMBEDDING, x);
      forward(s.choosing(config), some, 0, Residual.of(s, x, hyper), hidden, logits);
    }
  }

  /** Every stream begins as the token's embedding. */
  private void embed(Step s, Tensor x) {
    if (hyper.isEmpty()) {
      s.ops().embed(embedding, s.batch().token(), x);
      return;
    }
    try (Scratch.Frame _ = s.scratch().frame()) {
      Tensor one = s.rows("embedding", config.hiddenSize());
      s.ops().embed(embedding, s.batch().token(), one);
      s.repeat(one, x);
    }
  }

  /** From layer {@code from} on. */
  private void forward(
      Step s, Optional<Step> some, int from, Residual x, Tensor hidden, Tensor logits) {
    int last = blocks.size() - 1;
    for (int i = from; i <= last; i++) {
      if (devices.get(i) != s.device()) {
        Step bare = s.course().on(devices.get(i));
        try (Scratch.Frame _ = bare.scratch().frame()) {
          Step there = bare.choosing(config);
          Residual moved = x.moved(s, there);
          if (s.chosen().isPresent() && shares(i)) {
            move(s, s.selection(), there, there.selection());
          }
          forward(there, some, i, moved, hidden, logits);
        }
        return;
      }
      if (i == last && some.isPresent()) {
        end(s, some.get(), x, logits);
        return;
      }
      blocks.get(i).forward(s, x);
    }
    Tensor normed = hyper.isEmpty() ? hidden : s.rows("normed", config.hiddenSize());
    x.norm(s, last, Point.FINAL_NORM, headInput, normed);
    if (hyper.isPresent()) {
      s.ops().copyPerHead(x.state(normed), 0, (int) hidden.cols(), 1, hidden, 0);
    }
    if (logits.rows() > 0) {
      project(s, last, s.wanted(normed), head, logits);
    }
  }

  /** The last layer and the head, of the rows wanted: the others leave what later ones look at. */
  private void end(Step s, Step some, Residual x, Tensor logits) {
    TransformerBlock block = blocks.getLast();
    if (logits.rows() == 0) {
      block.append(s, x);
      return;
    }
    Step wanted = some.choosing(config);
    Residual rest = x.room(wanted);
    block.forward(s, x, wanted, rest);
    Tensor normed = rest.norm(wanted, block.layer(), Point.FINAL_NORM, headInput);
    project(wanted, block.layer(), normed, head, logits);
  }

  /** Whether a layer looks at what one before it chose. */
  private boolean shares(int layer) {
    return config.attention() instanceof AttentionConfig.Latent latent
        && latent.indexer().isPresent()
        && !latent.indexes(layer);
  }

  private static void move(Step here, Selection from, Step there, Selection to) {
    Course course = here.course();
    course.move(here.device(), from.rows(), there.device(), to.rows());
    course.move(here.device(), from.sequence(), there.device(), to.sequence());
    course.move(here.device(), from.count(), there.device(), to.count());
  }

  /**
   * Enqueues MTP layer {@code depth} over the states of {@link #forward} or of the layer before;
   * see {@link MultiTokenPredictor}.
   *
   * @param some where not all rows are wanted, in their order: the step of those that are
   * @param state of the rows wanted, [M, H]
   * @param logits [M, vocab], or of the first tokens as {@link #guessed} has them
   */
  public void predict(
      Step s, Optional<Step> some, int depth, Tensor hidden, Tensor state, Tensor logits) {
    MultiTokenPredictor predictor = predictors.get(depth);
    try (Scratch.Frame _ = s.scratch().frame()) {
      Tensor normed = normed(s, state);
      predictor.forward(s, some, config, hidden, state, normed);
      if (logits.rows() > 0) {
        project(s, predictor.block().layer(), normed, predictor.head(), logits);
      }
    }
  }

  /**
   * {@link #predict} of all rows, for a layer behind it.
   *
   * @param state [T, H]
   * @param logits as in {@link #predict}, of the rows the batch asks for; rows() may be 0
   */
  public void predictAll(Step s, int depth, Tensor hidden, Tensor state, Tensor logits) {
    MultiTokenPredictor predictor = predictors.get(depth);
    try (Scratch.Frame _ = s.scratch().frame()) {
      Tensor normed = normed(s, state);
      predictor.forward(s, Optional.empty(), config, hidden, state, normed);
      if (logits.rows() > 0) {
        project(s, predictor.block().layer(), s.wanted(normed), predictor.head(), logits);
      }
    }
  }

  /** What the head sees of an MTP layer's state: of one stream, the state. */
  private Tensor normed(Step s, Tensor state) {
    return hyper.isEmpty()
        ? state
        : s.scratch().f32("mtp_normed", state.rows(), config.hiddenSize());
  }

  private static void project(Step s, int layer, Tensor states, Tensor head, Tensor logits) {
    boolean all = logits.cols() == head.rows();
    s.ops().matmul(states, all ? head : head.slice(head.name(), 0, logits.cols()), logits);
    s.tap().at(layer, Point.LOGITS, logits);
  }
}
