package dev.yuzui.model;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.yuzui.backend.reference.ReferenceProvider;
import dev.yuzui.parallel.DeviceGroup;
import dev.yuzui.parallel.DevicePlan;
import dev.yuzui.parallel.Exchanges;
import dev.yuzui.parallel.ExpertPlacement;
import dev.yuzui.spi.Backend;
import dev.yuzui.spi.BackendException;
import dev.yuzui.spi.BackendOptions;
import dev.yuzui.spi.Encoding;
import dev.yuzui.spi.HostTensor;
import dev.yuzui.weights.Checkpoint;
import dev.yuzui.weights.Checkpoints;
import dev.yuzui.weights.DeepseekConfig;
import dev.yuzui.weights.Part;
import java.lang.reflect.Constructor;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Proxy;
import java.lang.reflect.RecordComponent;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.stream.IntStream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** What a model's way onto devices asks of them. */
class ModelLoaderTest {
  private static final Path GOLDEN =
      Path.of(System.getProperty("yuzui.root"), "tests/system/src/test/resources/golden");
  private static final int CONTEXT = 8;

  private final List<Device> devices = new ArrayList<>();
  private final List<Checkpoint> opened = new ArrayList<>();
  private final List<String> asked = new ArrayList<>(); // of the checkpoint
  private long reported;

  /** The reference backend, watched; it complains at its close of buffers that are open. */
  private static final class Device {
    final Backend reference = new ReferenceProvider().open(BackendOptions.defaults());
    final List<String> calls = new ArrayList<>();
    boolean repeats;
    int callsLeft = Integer.MAX_VALUE;

    Backend backend() {
      return watched(
          Backend.class,
          reference,
          (name, args) -> {
            if (name.equals("repeats")) {
              return Optional.of(repeats);
            }
            if (List.of("upload", "uploadTable", "uploadExperts", "allocate").contains(name)) {
              if (--callsLeft < 0) {
                throw new BackendException("no room for more", "use less");
              }
              calls.add(name + " " + what(name, args));
            }
            return Optional.empty();
          });
    }

    private static Object what(String call, Object[] args) {
      return args[0] instanceof HostTensor t
          ? t.name()
          : call.equals("allocate") ? args[1] : args[0];
    }

    long count(String call) {
      return calls.stream().filter(call::equals).count();
    }
  }

  private interface Answer {
    /** What is answered instead of the call; empty where the call is made. */
    Optional<Object> to(String name, Object[] args);
  }

  private static <T> T watched(Class<T> type, T real, Answer answer) {
    return type.cast(
        Proxy.newProxyInstance(
            type.getClassLoader(),
            new Class<?>[] {type},
            (_, method, args) -> {
              Optional<Object> answered = answer.to(method.getName(), args);
              try {
                return answered.isPresent() ? answered.get() : method.invoke(real, args);
              } catch (InvocationTargetException e) {
                throw e.getCause();
              }
            }));
  }

  @AfterEach
  void close() {
    opened.forEach(Checkpoint::close);
    devices.forEach(device -> device.reference.close());
  }

  private Checkpoint open(String golden) {
    Checkpoint checkpoint = Checkpoints.open(GOLDEN.resolve(golden));
    opened.add(checkpoint);
    return checkpoint;
  }

  /** As {@code checkpoint}, with some of its answers. */
  private Checkpoint as(Checkpoint checkpoint, Map<String, Object> answers) {
    return watched(
        Checkpoint.class,
        checkpoint,
        (name, args) -> {
          if (args != null && args.length == 2) {
            asked.add(args[0].toString());
          }
          String call = args == null ? name : name + Arrays.toString(args);
          if (name.equals("writeOut")) {
            asked.add(name);
          }
          return Optional.ofNullable(answers.get(call));
        });
  }

  private ModelLoader.Loaded load(Checkpoint checkpoint, List<Integer> ofLayers) {
    int count = ofLayers.stream().mapToInt(d -> d).max().orElseThrow() + 1;
    DeepseekConfig config = checkpoint.config();
    for (int d = devices.size(); d < count; d++) {
      devices.add(new Device());
    }
    int experts = config.gate().experts();
    List<Optional<ExpertPlacement>> placements = new ArrayList<>();
    for (int layer = 0; layer < ofLayers.size(); layer++) {
      int device = ofLayers.get(layer);
      List<List<Integer>> held =
          IntStream.range(0, count)
              .mapToObj(d -> IntStream.range(0, d == device ? experts : 0).boxed().toList())
              .toList();
      placements.add(
          config.isMoe(layer) ? Optional.of(new ExpertPlacement(experts, held)) : Optional.empty());
    }
    try (DeviceGroup group =
        new DeviceGroup(
            devices.stream().map(d -> new DeviceGroup.Member("device", d.backend())).toList())) {
      Optional<Exchanges> none = Optional.empty();
      return ModelLoader.load(
          checkpoint,
          group,
          new DevicePlan(count, List.of(ofLayers), placements),
          none,
          CONTEXT,
          Encoding.F32,
          false,
          bytes -> reported += bytes);
    }
  }

  private ModelLoader.Loaded load(Checkpoint checkpoint) {
    DeepseekConfig config = checkpoint.config();
    return load(
        checkpoint,
        IntStream.range(0, config.layers() + config.mtpLayers()).mapToObj(_ -> 0).toList());
  }

  @ParameterizedTest
  @ValueSource(strings = {"v3-f32", "v3-bf16", "v2lite-f32", "gguf-v3-q8"})
  void eachByteIsReportedOnce(String golden) {
    Checkpoint checkpoint = open(golden);
    load(checkpoint).close();
    long bytes =
        checkpoint.weights().stream()
            .mapToLong(w -> w.encoding().byteSize(w.rows(), w.cols()) * w.count())
            .sum();
    assertEquals(bytes, reported);
  }

  @Test
  void eachMatrixIsPutOnItsDeviceOnce() {
    Checkpoint checkpoint = open("v3-f32");
    load(checkpoint).close();
    List<String> calls = devices.getFirst().calls;
    assertEquals(calls.size(), calls.stream().distinct().count(), calls.toString());
  }

  @ParameterizedTest
  @CsvSource({"false, 1", "true, 0"})
  void whatRepeatsIsWrittenOutForDevicesThatDoNot(boolean repeats, int times) {
    Checkpoint checkpoint = as(open("v3-f32"), Map.of());
    devices.add(new Device());
    devices.getFirst().repeats = repeats;
    load(checkpoint).close();
    assertEquals(times, asked.stream().filter("writeOut"::equals).count());
  }

  private Checkpoint tied(Checkpoint checkpoint) {
    return as(checkpoint, Map.of("tensor[HEAD, 0]", checkpoint.tensor(Part.EMBED, 0)));
  }

  @Test
  void aHeadThatIsTheEmbeddingIsOneMatrixOnOneDevice() {
    Checkpoint checkpoint = tied(open("v2lite-f32"));
    String embed = checkpoint.tensor(Part.EMBED, 0).name();
    load(checkpoint).close();
    assertEquals(1, devices.getFirst().count("upload " + embed));
    assertEquals(0, devices.getFirst().count("uploadTable " + embed));
  }

  @Test
  void onTwoDevicesItIsATableOnOneAndAWeightOnTheOther() {
    Checkpoint checkpoint = tied(open("v2lite-f32"));
    String embed = checkpoint.tensor(Part.EMBED, 0).name();
    int layers = checkpoint.config().layers();
    load(checkpoint, IntStream.range(0, layers).mapToObj(i -> i == layers - 1 ? 1 : 0).toList())
        .close();
    assertEquals(1, devices.get(0).count("uploadTable " + embed));
    assertEquals(0, devices.get(0).count("upload " + embed));
    assertEquals(1, devices.get(1).count("upload " + embed));
    assertEquals(0, devices.get(1).count("uploadTable " + embed));
  }

  @Test
  void anMtpLayerWithoutAnEmbeddingTakesTheModelsWhereverThatIs() {
    Checkpoint all = open("v3-f32");
    DeepseekConfig config = all.config();
    Checkpoint checkpoint =
        as(all, Map.of("find[MTP_EMBED, " + config.layers() + "]", Optional.empty()));
    String embed = "uploadTable " + all.tensor(Part.EMBED, 0).name();
    load(checkpoint).close();
    assertEquals(1, devices.getFirst().count(embed));

    devices.getFirst().calls.clear();
    load(
            checkpoint,
            IntStream.range(0, config.layers() + config.mtpLayers())
                .mapToObj(i -> i == 0 ? 0 : 1)
                .toList())
        .close();
    assertEquals(1, devices.get(0).count(embed));
    assertEquals(1, devices.get(1).count(embed));
  }

  @Test
  void aDeviceIsGivenNothingOfLayersThatAreElsewhere() {
    Checkpoint checkpoint = open("v2lite-f32");
    int layers = checkpoint.config().layers();
    load(checkpoint, IntStream.range(0, layers).mapToObj(i -> i == layers - 1 ? 1 : 0).toList())
        .close();
    List<String> first = devices.get(0).calls;
    List<String> last = devices.get(1).calls;
    assertTrue(last.stream().anyMatch(c -> c.startsWith("uploadExperts")), last.toString());
    for (String call : last) {
      assertFalse(first.contains(call) && !call.endsWith("rope_table"), call);
    }
  }

  @Test
  void aModelWithoutSharedExpertsIsNotAskedForThem() throws ReflectiveOperationException {
    Checkpoint all = open("v2lite-f32");
    load(as(all, Map.of())).close();
    assertTrue(asked.contains("SHARED_UP"), asked.toString());
    asked.clear();
    load(as(all, Map.of("config", with(all.config(), "sharedExperts", 0)))).close();
    assertTrue(asked.contains("ROUTER") && !asked.contains("SHARED_UP"), asked.toString());
  }

  private static DeepseekConfig with(DeepseekConfig config, String component, Object value)
      throws ReflectiveOperationException {
    RecordComponent[] components = DeepseekConfig.class.getRecordComponents();
    Object[] values = new Object[components.length];
    for (int i = 0; i < values.length; i++) {
      values[i] =
          components[i].getName().equals(component)
              ? value
              : components[i].getAccessor().invoke(config);
    }
    Constructor<DeepseekConfig> canonical =
        DeepseekConfig.class.getDeclaredConstructor(
            Arrays.stream(components).map(RecordComponent::getType).toArray(Class<?>[]::new));
    return canonical.newInstance(values);
  }

  /** The reference backend's close says which buffers were left open. */
  @Test
  void aLoadThatFailsGivesBackWhatItTookWhereverItFails() {
    Checkpoint checkpoint = open("v3-f32");
    load(checkpoint).close();
    int calls = devices.getFirst().calls.size();
    assertTrue(calls > 20, "calls: " + calls);
    devices.removeFirst().reference.close();
    for (int n = 0; n < calls; n++) {
      devices.add(new Device());
      devices.getFirst().callsLeft = n;
      var e = assertThrows(BackendException.class, () -> load(checkpoint));
      assertTrue(e.getMessage().contains("no room for more"), e.getMessage());
      devices.removeFirst().reference.close();
    }
  }

  @Test
  void theModelRunsFromItsFirstDeviceToItsLast() {
    Checkpoint checkpoint = open("v2lite-f32");
    int layers = checkpoint.config().layers();
    List<Integer> ofLayers = IntStream.range(0, layers).mapToObj(i -> i == 0 ? 1 : 2).toList();
    try (ModelLoader.Loaded loaded = load(checkpoint, ofLayers)) {
      DeepseekModel model = loaded.ranks().getFirst();
      assertEquals(1, model.firstDevice());
      assertEquals(2, model.lastDevice());
      assertEquals(List.of(1, 2), model.devices());
      assertEquals(CONTEXT, model.ropeTable(1).rows());
      assertSame(checkpoint.config(), model.config());
    }
  }
}
