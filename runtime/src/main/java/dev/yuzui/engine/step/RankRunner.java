package dev.yuzui.engine.step;

import dev.yuzui.cache.KvCacheStore;
import dev.yuzui.engine.api.Observer;
import dev.yuzui.model.Course;
import dev.yuzui.model.DeepseekModel;
import dev.yuzui.model.Point;
import dev.yuzui.model.Step;
import dev.yuzui.model.Step.AttentionForm;
import dev.yuzui.model.Tap;
import dev.yuzui.parallel.Arrival;
import dev.yuzui.parallel.DeviceGroup;
import dev.yuzui.parallel.Sent;
import dev.yuzui.spi.Backend;
import dev.yuzui.spi.DeviceBuffer;
import dev.yuzui.spi.DeviceQueue;
import dev.yuzui.spi.Encoding;
import dev.yuzui.spi.Ops;
import dev.yuzui.spi.Scratch;
import dev.yuzui.spi.Tensor;
import java.lang.foreign.Arena;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/**
 * A rank's part of a step: its inputs, what is recorded of it, and what comes out. {@link
 * ModelRunner} drives it.
 */
final class RankRunner implements AutoCloseable {
  private static final int MAX_RECORDINGS = 64;

  /**
   * What a recording depends on.
   *
   * @param some where the wanted rows go on alone and leave others behind: their attention's form
   * @param best of each row of logits that are picked; 0 picks none
   */
  record Shape(
      Pass pass,
      int tokens,
      int outputs,
      AttentionForm form,
      Optional<AttentionForm> some,
      int best) {}

  /** What a device has of the rank. */
  private record Stage(Backend backend, DeviceQueue queue, StepInputs inputs) {}

  private final DeviceGroup group;
  private final DeepseekModel model;
  private final KvCacheStore cache;
  private final int maxTokens;
  private final int maxOutputs;
  private final int vocab;
  private final Map<Integer, Stage> stages = new LinkedHashMap<>();
  private final List<DeviceBuffer> buffers = new ArrayList<>();
  private final Arena arena = Arena.ofShared();
  private final Map<Shape, List<Leg>> recordings = new LinkedHashMap<>(16, 0.75f, true);

  private final Tensor hidden;
  private final Tensor mtpHidden;
  private final StepOutputs outputs;
  private long tokens;
  private int[] positionsOfLast = {};

  RankRunner(DeviceGroup group, DeepseekModel model, KvCacheStore cache, int maxTokens) {
    this.group = group;
    this.model = model;
    this.cache = cache;
    this.maxTokens = maxTokens;
    this.maxOutputs = Step.outputs(maxTokens, cache.maxSequences());
    this.vocab = model.config().vocabSize();
    Backend last = group.backend(model.lastDevice());
    try {
      for (int device : model.devices()) {
        Backend there = group.backend(device);
        stages.put(
            device,
            new Stage(
                there,
                there.openQueue(),
                new StepInputs(
                    there,
                    cache,
                    maxTokens,
                    maxOutputs,
                    vocab,
                    (name, encoding, rows, cols) -> allocate(there, name, encoding, rows, cols),
                    arena)));
      }
      int width = model.config().stateSize();
      hidden = allocate(last, "hidden", Encoding.F32, maxTokens, width);
      mtpHidden =
          model.predictors() > 0
              ? allocate(last, "mtp_hidden", Encoding.F32, maxTokens, width)
              : hidden;
      outputs =
          new StepOutputs(
              last,
              vocab,
              maxOutputs,
              (name, encoding, rows, cols) -> allocate(last, name, encoding, rows, cols),
              arena);
    } catch (RuntimeException | Error e) {
      close();
      throw e;
    }
  }

  private Tensor allocate(Backend there, String name, Encoding encoding, long rows, long cols) {
    DeviceBuffer buffer = there.allocate(encoding.byteSize(rows, cols), name);
    buffers.add(buffer);
    return new Tensor(name, buffer, 0, encoding, rows, cols);
  }

  /** Rows of logits of a step at most. */
  int maxOutputs() {
    return maxOutputs;
  }

  /** That went through the main model since the start. */
  long tokens() {
    return tokens;
  }

  /** Whether it cannot go on without the device. */
  boolean uses(int device) {
    return stages.containsKey(device);
  }

  int mtpLayers() {
    return model.predictors();
  }

  /**
   * Writes what varies; what there is to run. A shape is recorded when it comes for the second
   * time: of many prompts' there is no second, and the first has the memory allocated that they
   * need. Where devices meet it is at once, for the recording is what is cut into legs.
   */
  List<Leg> prepare(Pass pass, List<Rows> all, int candidates) {
    Shape shape = fill(pass, all, candidates);
    List<Leg> legs = recordings.get(shape);
    if (legs == null && stages.size() == 1 && group.size() == 1) {
      keep(shape, List.of());
      return List.of(unrecorded(shape));
    }
    if (legs == null || legs.isEmpty()) {
      legs = record(shape);
      keep(shape, legs);
    }
    return legs;
  }

  private void keep(Shape shape, List<Leg> legs) {
    recordings.put(shape, legs);
    if (recordings.size() > MAX_RECORDINGS) {
      var eldest = recordings.entrySet().iterator();
      eldest.next().getValue().forEach(Leg::close);
      eldest.remove();
    }
  }

  /** Runs a step op by op. */
  void observe(Pass pass, List<Rows> all, Observer observer) {
    int tokens = all.stream().mapToInt(r -> r.tokens().length).sum();
    Shape shape = fill(pass, all, 0);
    OpByOp course = opByOp(shape);
    Tap tap =
        (layer, point, tensor) -> {
          Stage stage = stages.get(course.device());
          var values = DeviceValues.of(stage.backend(), stage.queue(), tensor, tokens);
          observer.at(
              layer,
              point,
              point == Point.CHOSEN_ENTRIES ? new ChosenEntries(values, all) : values);
        };
    course.tap(tap);
    enqueue(shape, course, tap);
    stages.get(model.lastDevice()).queue().synchronize();
  }

  /** A rank's rows at a meeting of the step that was prepared last. */
  Arrival arrival(Sent sent, Runnable beside) {
    return new Arrival(sent, positionsOfLast, beside);
  }

  private Shape fill(Pass pass, List<Rows> all, int candidates) {
    // loops: streams would be most of what a step allocates
    int count = 0;
    int outputs = 0;
    AttentionForm form = AttentionForm.ABSORBED;
    AttentionForm formOfSome = AttentionForm.ABSORBED;
    for (Rows part : all) {
      int tokens = part.tokens().length;
      int wanted = part.outputs().count(tokens);
      count += tokens;
      outputs += wanted;
      form = later(form, form(part.start(), tokens));
      if (wanted > 0) {
        formOfSome = later(formOfSome, form(part.start() + tokens - wanted, wanted));
      }
    }
    if (count > maxTokens || outputs > maxOutputs) {
      throw new IllegalArgumentException(
          count
              + " tokens and "
              + outputs
              + " outputs exceed a step's "
              + maxTokens
              + " and "
              + maxOutputs);
    }
    int rows = bucket(group, model, count);
    // what the shortest prompt leaves behind is enough, so that no prompt's form depends on the
    // others
    boolean some =
        pass.takesStates()
            ? !pass.whole() && outputs < rows
            : group.size() == 1
                && model.endsWithSome()
                && count - outputs >= Step.PREFILL_TOKENS - 1;
    for (var stage : stages.entrySet()) {
      StepInputs inputs = stage.getValue().inputs();
      group.run(stage.getKey(), () -> inputs.fill(all, rows, pass.takesStates() || some));
    }
    int made = outputBucket(outputs, count, rows);
    int best = this.outputs.begin(outputs, made, candidates, logitTokens(pass));
    if (model.devices().size() > 1 || group.size() > 1) {
      positionsOfLast = StepInputs.positions(all, some);
    }
    tokens += pass.equals(Pass.MAIN) ? count : 0;
    AttentionForm theirs = pass.takesStates() ? form : formOfSome;
    return new Shape(pass, rows, made, form, some ? Optional.of(theirs) : Optional.empty(), best);
  }

  private static AttentionForm later(AttentionForm a, AttentionForm b) {
    return b.compareTo(a) > 0 ? b : a;
  }

  /** What suits so many tokens of a sequence behind {@code start} others. */
  AttentionForm form(int start, int tokens) {
    boolean prompt = tokens >= Step.PREFILL_TOKENS;
    boolean sparse = start + tokens > model.config().denseTokens();
    boolean choosesEntries = model.config().topK() < Integer.MAX_VALUE; // not blocks
    return sparse
        ? prompt && choosesEntries ? AttentionForm.SPARSE_PREFILL : AttentionForm.SPARSE
        : prompt ? AttentionForm.PREFILL : AttentionForm.ABSORBED;
  }

  /** Rows of a step of {@code tokens} tokens that suit all devices of a rank. */
  static int bucket(DeviceGroup group, DeepseekModel model, int tokens) {
    int rows = 0;
    for (int device : model.devices()) {
      rows = Math.max(rows, group.backend(device).capabilities().bucket(tokens));
    }
    return rows;
  }

  /**
   * Rows of logits that a step makes, for each number of outputs is a recording: those wanted where
   * all are and they are few; else the next power of two, and of many the next multiple of {@link
   * Step#OUTPUTS}, which is less to make for nothing.
   */
  private int outputBucket(int outputs, int tokens, int rows) {
    int made;
    if (outputs > Step.OUTPUTS) {
      made = Math.ceilDiv(outputs, Step.OUTPUTS) * Step.OUTPUTS;
    } else if (outputs == tokens || outputs <= 1) {
      made = outputs;
    } else {
      made = Integer.highestOneBit(outputs - 1) << 1;
    }
    return Math.min(made, Math.min(rows, maxOutputs));
  }

  /** That a row of a pass's logits is over. */
  private int logitTokens(Pass pass) {
    return pass.takesStates() ? model.guessed(pass.predictor(), pass.vocabulary()) : vocab;
  }

  private void enqueue(Shape shape, Course course, Tap tap) {
    int rows = shape.tokens();
    Step step = step(shape, first(shape), course, tap);
    Tensor out = outputs.logits(shape.outputs(), logitTokens(shape.pass()));
    switch (shape.pass().start()) {
      case TOKENS -> model.forward(step, some(step, shape), hidden.slice("hidden", 0, rows), out);
      case MAIN -> predict(step, shape, hidden, out);
      case MTP -> predict(step, shape, mtpHidden, out);
    }
    if (shape.best() > 0) {
      Ops ops = stages.get(model.lastDevice()).queue().ops();
      ops.topK(
          out,
          outputs.bestIds(shape.outputs(), shape.best()),
          outputs.bestLogits(shape.outputs(), shape.best()));
    }
  }

  /** The device where a pass begins. */
  private int first(Shape shape) {
    return shape.pass().takesStates() ? model.lastDevice() : model.firstDevice();
  }

  private OpByOp opByOp(Shape shape) {
    return new OpByOp(this, group, shape, first(shape));
  }

  DeviceQueue queue(int device) {
    return stages.get(device).queue();
  }

  Step step(Shape shape, int device, Course course, Tap tap) {
    Stage stage = stages.get(device);
    return new Step(
        device,
        stage.queue().ops(),
        stage.inputs().batch(shape.tokens(), shape.outputs()),
        cache,
        model.ropeTable(device),
        shape.form(),
        Optional.empty(),
        course,
        tap);
  }

  /** The step of the rows wanted, where they leave others behind. */
  private Optional<Step> some(Step step, Shape shape) {
    StepInputs inputs = stages.get(model.lastDevice()).inputs();
    return shape
        .some()
        .map(form -> step.with(inputs.wanted(shape.tokens(), shape.outputs()), form));
  }

  /**
   * @param from states of which each row takes the one its source says
   */
  private void predict(Step step, Shape shape, Tensor from, Tensor out) {
    int rows = shape.tokens();
    int wanted = shape.outputs();
    StepInputs inputs = stages.get(model.lastDevice()).inputs();
    Optional<Step> some = some(step, shape);
    try (Scratch.Frame _ = step.ops().scratch().frame()) {
      Tensor states = step.ops().scratch().f32("mtp_states", rows, from.cols());
      step.ops().embed(from, inputs.sources(rows), states);
      int layer = shape.pass().predictor();
      if (shape.pass().whole()) {
        model.predictAll(step, layer, states, mtpHidden.slice("mtp_hidden", 0, rows), out);
      } else {
        model.predict(step, some, layer, states, mtpHidden.slice("mtp_hidden", 0, wanted), out);
      }
    }
  }

  /** The whole step of a lone device, op by op. */
  private Leg unrecorded(Shape shape) {
    int device = model.lastDevice();
    var ops =
        new DeviceQueue.Recording() {
          @Override
          public void replay() {
            enqueue(shape, opByOp(shape), Tap.none());
          }

          @Override
          public void close() {}
        };
    return new Leg(device, stages.get(device).queue(), ops, new Leg.Then.End());
  }

  private List<Leg> record(Shape shape) {
    Recorder recorder = new Recorder(this, shape, first(shape));
    boolean whole = false;
    try {
      enqueue(shape, recorder, Tap.none());
      recorder.end(new Leg.Then.End());
      whole = true;
      return recorder.legs();
    } finally {
      if (!whole) {
        recorder.abandon();
      }
    }
  }

  /** Of the last step. */
  StepOutputs outputs() {
    return outputs;
  }

  @Override
  public void close() {
    recordings.values().forEach(legs -> legs.forEach(Leg::close));
    recordings.clear();
    stages.values().forEach(stage -> stage.queue().close());
    stages.clear();
    buffers.forEach(DeviceBuffer::close);
    buffers.clear();
    arena.close();
  }
}
