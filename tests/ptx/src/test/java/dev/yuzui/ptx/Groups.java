package dev.yuzui.ptx;

import dev.yuzui.ptx.machine.GlobalBuffer;
import dev.yuzui.ptx.machine.GlobalBuffer.Role;
import java.util.Arrays;
import java.util.stream.IntStream;

/**
 * Slots sorted by expert, as the permute kernels leave them.
 *
 * @param ids [tokens, used], −1 in padding rows
 * @param offset where each expert's places begin, and their end
 * @param slot of each place
 * @param place of each slot, −1 for none
 */
record Groups(int tokens, int used, int experts, int[] ids, int[] offset, int[] slot, int[] place) {

  static Groups of(int tokens, int used, int experts, int[] ids) {
    int[] offset = new int[experts + 1];
    int[] slot = new int[tokens * used];
    int[] place = new int[tokens * used];
    Arrays.fill(place, -1);
    int next = 0;
    for (int e = 0; e < experts; e++) {
      offset[e] = next;
      for (int s = 0; s < ids.length; s++) {
        if (ids[s] == e) {
          slot[next] = s;
          place[s] = next++;
        }
      }
    }
    offset[experts] = next;
    return new Groups(tokens, used, experts, ids, offset, slot, place);
  }

  /** Neighbouring experts for each token, the last token padding; expert 1 has none. */
  static Groups some(int tokens) {
    int[] ids =
        IntStream.range(0, tokens * 2)
            .map(s -> s / 2 == tokens - 1 ? -1 : new int[] {0, 2, 3}[(s / 2 + s % 2) % 3])
            .toArray();
    return of(tokens, 2, 4, ids);
  }

  /** Tiles of up to {@code size} places of one expert that the host expects at most. */
  int tiles(int size) {
    int slots = tokens * used;
    return (slots + (size - 1) * Math.min(experts, slots)) / size;
  }

  int places() {
    return offset[experts];
  }

  int expert(int at) {
    int e = 0;
    while (offset[e + 1] <= at) {
      e++;
    }
    return e;
  }

  /** The row of x that a place reads. */
  int row(int at, boolean byToken) {
    return byToken ? slot[at] / used : at;
  }

  GlobalBuffer offset(Device device) {
    return device.memory().ints("offset", Role.INPUT, offset);
  }

  GlobalBuffer slot(Device device) {
    return device.memory().ints("slot", Role.INPUT, slot);
  }
}
