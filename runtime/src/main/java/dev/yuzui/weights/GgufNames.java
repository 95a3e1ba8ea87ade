package dev.yuzui.weights;

import dev.yuzui.spi.HostTensor;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;

/** What a GGUF calls the weights that a device is given, whatever their checkpoint calls them. */
public final class GgufNames {
  /**
   * Where a weight lies in a GGUF.
   *
   * @param matrix the expert's; 0 for tensors that are no experts'
   * @param matrices experts; heads of the halves of kv_b; else 1
   */
  public record Place(String tensor, int matrix, int matrices) {}

  private final Map<String, Place> places = new HashMap<>();

  private GgufNames() {}

  public static GgufNames of(Checkpoint checkpoint) {
    GgufNames names = new GgufNames();
    Set<Part> perHead = Set.of(Part.KEY_UP, Part.VALUE_UP);
    for (Checkpoint.Weight weight : checkpoint.weights()) {
      Part part = weight.part();
      boolean whole = LayerParts.WHOLE_MODEL.contains(part);
      String name = TensorNames.GGUF.of(part, weight.layer()).orElseThrow();
      if (LayerParts.EXPERTS.contains(part)) {
        List<String> experts = checkpoint.expertNames(part, weight.layer());
        for (int e = 0; e < experts.size(); e++) {
          names.places.put(experts.get(e), new Place(name, e, experts.size()));
        }
      } else {
        int heads = perHead.contains(part) ? checkpoint.config().heads() : 1;
        HostTensor tensor = checkpoint.tensor(part, whole ? 0 : weight.layer());
        names.places.put(tensor.name(), new Place(name, 0, heads));
      }
    }
    return names;
  }

  /** Empty for weights that are none of the checkpoint's. */
  public Optional<Place> of(String weight) {
    return Optional.ofNullable(places.get(weight));
  }
}
