package dev.yuzui.parallel;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/**
 * Which row of a step goes to which device. A row goes to a device once, for all of its experts
 * there; an expert that several devices hold is taken where the row is, else by the row's position
 * in its sequence, so that what becomes of a row does not depend on the others of the step.
 */
final class ExchangePlan {
  /**
   * The rows of a rank that a device gets; they lie behind each other there.
   *
   * @param first of the device's rows
   * @param rows of the rank's step
   */
  record Parcel(int rank, int first, int[] rows) {}

  private final List<List<Parcel>> parcels = new ArrayList<>();
  private final List<int[]> ids = new ArrayList<>();
  private final List<float[]> weights = new ArrayList<>();
  private final int used;

  /** What a rank's gate chose. */
  record Choice(int rank, int device, int[] positions, int[] ids, float[] weights) {}

  /**
   * @param used K
   * @param hosts devices that hold each expert
   * @param local number of each expert on each device, −1 where it does not hold it
   */
  ExchangePlan(List<Choice> choices, int used, int[][] hosts, int[][] local) {
    this.used = used;
    int devices = local.length;
    int most = choices.stream().mapToInt(c -> c.positions().length).sum();
    int[] count = new int[devices];
    for (int d = 0; d < devices; d++) {
      parcels.add(new ArrayList<>());
      ids.add(new int[most * used]);
      weights.add(new float[most * used]);
      Arrays.fill(ids.getLast(), -1);
    }
    for (Choice choice : choices) {
      int[] first = count.clone();
      int[][] rows = new int[devices][choice.positions().length];
      for (int t = 0; t < choice.positions().length; t++) {
        for (int k = 0; k < used; k++) {
          int expert = choice.ids()[t * used + k];
          if (expert < 0) {
            continue;
          }
          int d = host(hosts[expert], choice.device(), choice.positions()[t]);
          int sent = count[d] - first[d];
          if (sent == 0 || rows[d][sent - 1] != t) {
            rows[d][sent] = t;
            count[d]++;
          }
          int slot = (count[d] - 1) * used + k;
          ids.get(d)[slot] = local[d][expert];
          weights.get(d)[slot] = choice.weights()[t * used + k];
        }
      }
      for (int d = 0; d < devices; d++) {
        if (count[d] > first[d]) {
          parcels
              .get(d)
              .add(
                  new Parcel(choice.rank(), first[d], Arrays.copyOf(rows[d], count[d] - first[d])));
        }
      }
    }
    for (int d = 0; d < devices; d++) {
      ids.set(d, Arrays.copyOf(ids.get(d), count[d] * used));
      weights.set(d, Arrays.copyOf(weights.get(d), count[d] * used));
    }
  }

  private static int host(int[] hosts, int here, int position) {
    for (int host : hosts) {
      if (host == here) {
        return here;
      }
    }
    return hosts[position % hosts.length];
  }

  /** What {@code device} gets, rank by rank. */
  List<Parcel> to(int device) {
    return parcels.get(device);
  }

  int rows(int device) {
    return ids.get(device).length / used;
  }

  /** The device's numbers of its rows' experts, [rows, K]; −1 for those that are elsewhere. */
  int[] ids(int device) {
    return ids.get(device);
  }

  float[] weights(int device) {
    return weights.get(device);
  }
}
