package dev.yuzui.engine;

import dev.yuzui.engine.api.DraftModel;
import dev.yuzui.engine.api.EngineException;
import dev.yuzui.engine.api.LoadProgress;
import dev.yuzui.engine.api.RuntimeOptions;
import dev.yuzui.engine.draft.DraftModelProposer;
import dev.yuzui.engine.plan.Backends;
import dev.yuzui.engine.plan.Device;
import dev.yuzui.engine.plan.MemoryPlan;
import dev.yuzui.text.VocabularyMatch;
import dev.yuzui.weights.Checkpoint;
import dev.yuzui.weights.Checkpoint.VocabularySource;
import dev.yuzui.weights.Checkpoints;
import dev.yuzui.weights.MetadataOverrides;
import java.util.List;
import java.util.Optional;

/**
 * A draft model on its device. It is opened before the model that it drafts for, so that the free
 * memory which that is planned by is what is left.
 */
final class LoadedDraftModel implements AutoCloseable {
  private final Unwind opened = new Unwind();
  private final LoadedModel model;

  /**
   * @param target that it drafts for
   * @param devices of the target
   * @param options of the target: what is not about one of the models alone holds for both
   * @throws EngineException if the two do not have the same tokens
   */
  LoadedDraftModel(
      DraftModel draft, Checkpoint target, List<Device> devices, RuntimeOptions options) {
    try {
      Checkpoint checkpoint =
          opened.add(Checkpoints.open(draft.model(), MetadataOverrides.NONE, options.log()));
      requireSameTokens(target, checkpoint);
      int wanted = MemoryPlan.of(target, devices, options).contextLength();
      int context = Math.min(wanted, checkpoint.config().contextLength());
      RuntimeOptions own = own(draft, options).withContextLength(context);
      Device device =
          draft
              .device()
              .map(name -> Backends.devices(own.withDevice(name)).getFirst())
              .orElse(devices.getFirst());
      model = opened.add(new LoadedModel(checkpoint, List.of(device), own, LoadProgress.none()));
      options
          .log()
          .accept(
              "draft model "
                  + draft.model()
                  + " on "
                  + device.name()
                  + (context < wanted
                      ? ": texts get no drafts beyond its context of " + context + " tokens"
                      : ""));
    } catch (Throwable e) {
      opened.giveUp(e);
      throw e;
    }
  }

  private static RuntimeOptions own(DraftModel draft, RuntimeOptions target) {
    RuntimeOptions own =
        RuntimeOptions.of(draft.model())
            .withThreads(target.threads())
            .withBatchTokens(target.batchTokens())
            .withMaxSequences(target.maxSequences())
            .withCache(target.cache())
            .withRepack(target.repack())
            .withLog(target.log())
            .withNotice(target.notice());
    RuntimeOptions kept = target.repackCache().map(own::withRepackCache).orElse(own);
    return target.driverCache().map(kept::withDriverCache).orElse(kept);
  }

  /** One if the options ask for it. */
  static Optional<LoadedDraftModel> of(
      Checkpoint target, List<Device> devices, RuntimeOptions options) {
    return options
        .speculation()
        .model()
        .map(draft -> new LoadedDraftModel(draft, target, devices, options));
  }

  private static void requireSameTokens(Checkpoint target, Checkpoint draft) {
    boolean spelled =
        !(target.vocabulary() instanceof VocabularySource.None)
            && !(draft.vocabulary() instanceof VocabularySource.None);
    Optional<String> difference =
        spelled
            ? VocabularyMatch.difference(target.vocabulary(), draft.vocabulary())
            : target.config().vocabSize() == draft.config().vocabSize()
                ? Optional.empty()
                : Optional.of(
                    target.config().vocabSize() + " tokens and " + draft.config().vocabSize());
    difference.ifPresent(
        found -> {
          throw new EngineException(
              "Speculation.model: expected a draft model with the vocabulary of "
                  + target.path()
                  + ", found another in "
                  + draft.path()
                  + ": "
                  + found
                  + "; use a smaller model of the same family");
        });
  }

  /**
   * @param tokens that the target has
   */
  DraftModelProposer proposer(int tokens) {
    return new DraftModelProposer(
        model.runner(), model.cache(), model.contextLength(), model.config().vocabSize(), tokens);
  }

  @Override
  public void close() {
    opened.close();
  }
}
