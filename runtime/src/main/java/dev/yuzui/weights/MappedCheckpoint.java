package dev.yuzui.weights;

import dev.yuzui.spi.HostTensor;
import dev.yuzui.weights.MatrixSource.Mapped;
import dev.yuzui.weights.TensorBinder.Bound;
import dev.yuzui.weights.TensorBinder.PartOf;
import java.lang.foreign.Arena;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.function.Function;

/** A checkpoint of either format, once its files are mapped and its parts found. */
final class MappedCheckpoint implements Checkpoint {
  /** What the format says beside the weights. */
  record Description(
      Path path,
      String format,
      DeepseekConfig config,
      List<StoredTensor> stored,
      Map<String, String> metadata,
      VocabularySource vocabulary,
      GenerationDefaults generationDefaults) {}

  private final Description description;
  private final Bound bound;
  private final Function<MappedCheckpoint, GgufForm> ggufForm;
  private final Arena arena;
  private final Map<PartOf, HostTensor> derived = new HashMap<>();
  private final Map<PartOf, List<HostTensor>> experts = new ConcurrentHashMap<>();

  /**
   * @param ggufForm how the format becomes a GGUF
   * @param arena owner of the mappings; closed with this
   */
  MappedCheckpoint(
      Description description,
      Bound bound,
      Function<MappedCheckpoint, GgufForm> ggufForm,
      Arena arena) {
    this.description = description;
    this.bound = bound;
    this.ggufForm = ggufForm;
    this.arena = arena;
  }

  /** As a GGUF would hold it. */
  GgufForm ggufForm() {
    return ggufForm.apply(this);
  }

  Bound bound() {
    return bound;
  }

  @Override
  public Path path() {
    return description.path;
  }

  @Override
  public String format() {
    return description.format;
  }

  @Override
  public DeepseekConfig config() {
    return description.config;
  }

  @Override
  public HostTensor tensor(Part part, int layer) {
    return find(part, layer).orElseThrow(() -> WeightException.absent(path(), part, layer));
  }

  @Override
  public Optional<HostTensor> find(Part part, int layer) {
    PartOf key = new PartOf(part, layer);
    Optional<HostTensor> stored = Optional.ofNullable(bound.tensors().get(key));
    return stored.or(() -> derive(key));
  }

  /** Made once, when it is first asked for. */
  private Optional<HostTensor> derive(PartOf key) {
    synchronized (derived) {
      Optional<HostTensor> made = Optional.ofNullable(derived.get(key)).or(() -> made(key));
      made.ifPresent(t -> derived.put(key, t));
      return made;
    }
  }

  private Optional<HostTensor> made(PartOf key) {
    Optional<HostTensor> halves =
        Optional.ofNullable(bound.halves().get(key))
            .map(t -> Halves.interleaved(t, config(), arena));
    return halves.or(() -> split(key));
  }

  /** Keys or values of kv_b, or half of an MTP layer's projection. */
  private Optional<HostTensor> split(PartOf key) {
    Optional<HostTensor> projection = Optional.ofNullable(bound.projections().get(key.layer()));
    return switch (key.part()) {
      case KEY_UP -> keyValueUp(key).map(t -> KeyValueUp.key(t, latent(), arena));
      case VALUE_UP -> keyValueUp(key).map(t -> KeyValueUp.value(t, latent(), arena));
      case MTP_PROJ_EMBED, MTP_PROJ_HIDDEN ->
          projection.map(
              t ->
                  Columns.half(
                      TensorNames.GGUF.of(key.part(), key.layer()).orElseThrow(),
                      t,
                      key.part() == Part.MTP_PROJ_HIDDEN,
                      arena));
      default -> Optional.empty();
    };
  }

  private Optional<HostTensor> keyValueUp(PartOf key) {
    return Optional.ofNullable(bound.keyValueUps().get(key.layer()));
  }

  /** Where there is a kv_b. */
  private AttentionConfig.Latent latent() {
    return (AttentionConfig.Latent) config().attention();
  }

  @Override
  public List<HostTensor> experts(Part part, int layer) {
    return experts.computeIfAbsent(new PartOf(part, layer), _ -> experts(part, layer, arena));
  }

  @Override
  public List<HostTensor> experts(Part part, int layer, Arena owner) {
    return new ExpertList(expertSources(part, layer), owner);
  }

  @Override
  public List<String> expertNames(Part part, int layer) {
    return expertSources(part, layer).stream().map(MatrixSource::name).toList();
  }

  private List<MatrixSource> expertSources(Part part, int layer) {
    List<MatrixSource> sources = bound.experts().get(new PartOf(part, layer));
    if (sources == null) {
      throw WeightException.absent(path(), part, layer);
    }
    return sources;
  }

  @Override
  public List<Weight> weights() {
    List<Weight> weights = new ArrayList<>();
    Set<HostTensor> seen = new HashSet<>();
    bound.tensors().entrySet().stream()
        .sorted(Map.Entry.comparingByKey(PartOf.ORDER))
        .filter(e -> seen.add(e.getValue()))
        .forEach(e -> weights.add(Weight.of(e.getKey(), e.getValue(), 1)));
    bound.experts().forEach((key, e) -> weights.add(Weight.of(key, e)));
    bound.halves().forEach((key, t) -> weights.add(Halves.weight(key, t, config())));
    bound
        .projections()
        .forEach(
            (layer, whole) -> {
              for (Part part : List.of(Part.MTP_PROJ_EMBED, Part.MTP_PROJ_HIDDEN)) {
                weights.add(Columns.weight(new PartOf(part, layer), whole));
              }
            });
    bound
        .keyValueUps()
        .forEach(
            (layer, kvB) -> {
              for (Part part : List.of(Part.KEY_UP, Part.VALUE_UP)) {
                if (!bound.tensors().containsKey(new PartOf(part, layer))) {
                  weights.add(KeyValueUp.weight(new PartOf(part, layer), kvB, latent()));
                }
              }
            });
    return weights;
  }

  @Override
  public long derivedBytes() {
    return bound.halves().values().stream().mapToLong(t -> Halves.byteSize(t, config())).sum()
        + bound.experts().values().stream()
            .flatMap(List::stream)
            .mapToLong(MatrixSource::madeBytes)
            .sum()
        + bound.projections().values().stream().mapToLong(Columns::byteSize).sum()
        + bound.keyValueUps().values().stream()
            .mapToLong(t -> KeyValueUp.byteSize(t, latent()))
            .sum();
  }

  @Override
  public List<StoredTensor> stored() {
    return description.stored;
  }

  @Override
  public Map<String, String> metadata() {
    return description.metadata;
  }

  @Override
  public VocabularySource vocabulary() {
    return description.vocabulary;
  }

  @Override
  public String fingerprint() {
    Map<PartOf, List<MatrixSource>> matrices = new HashMap<>(bound.experts());
    bound.stored().forEach((key, tensor) -> matrices.put(key, List.of(new Mapped(tensor))));
    bound
        .keyValueUps()
        .forEach(
            (layer, kvB) -> matrices.put(new PartOf(Part.KEY_UP, layer), List.of(new Mapped(kvB))));
    bound
        .projections()
        .forEach(
            (layer, whole) ->
                matrices.put(new PartOf(Part.MTP_PROJ, layer), List.of(new Mapped(whole))));
    return Fingerprint.of(metadata(), matrices);
  }

  @Override
  public GenerationDefaults generationDefaults() {
    return description.generationDefaults;
  }

  @Override
  public void close() {
    arena.close();
  }
}
