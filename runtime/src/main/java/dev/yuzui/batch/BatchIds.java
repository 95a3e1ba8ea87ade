package dev.yuzui.batch;

import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.OptionalLong;

/**
 * Which custom_ids have been seen, and in which line: 24 bytes an id, or up to 48 right after the
 * table has grown, whatever the ids' length. Of each id 64 bits of its SHA-256 are held; among ten
 * million ids the chance that any two are taken for the same is 3 in a million.
 */
final class BatchIds {
  private final MessageDigest sha;
  private long[] hashes = new long[1024];

  /** 0 where a slot is free. */
  private int[] numbers = new int[1024];

  private int count;

  BatchIds() {
    try {
      sha = MessageDigest.getInstance("SHA-256");
    } catch (NoSuchAlgorithmException e) {
      throw new IllegalStateException(e); // every Java platform has it
    }
  }

  /**
   * Remembers a line's id.
   *
   * @return the line that had it before
   */
  OptionalLong add(String id, long line) {
    long hash = hash(id);
    int slot = slot(hash);
    if (numbers[slot] != 0) {
      return OptionalLong.of(numbers[slot]);
    }
    put(slot, hash, (int) Math.min(line, Integer.MAX_VALUE));
    count++;
    if (count > hashes.length / 2) {
      grow();
    }
    return OptionalLong.empty();
  }

  private long hash(String id) {
    byte[] digest = sha.digest(id.getBytes(StandardCharsets.UTF_16LE));
    long hash = 0;
    for (int i = 0; i < Long.BYTES; i++) {
      hash = hash << 8 | digest[i] & 0xFF;
    }
    return hash;
  }

  /** Where a hash is, or would be put. */
  private int slot(long hash) {
    int slot = (int) hash & hashes.length - 1;
    while (numbers[slot] != 0 && hashes[slot] != hash) {
      slot = slot + 1 & hashes.length - 1;
    }
    return slot;
  }

  private void put(int slot, long hash, int number) {
    hashes[slot] = hash;
    numbers[slot] = number;
  }

  private void grow() {
    long[] oldHashes = hashes;
    int[] oldNumbers = numbers;
    hashes = new long[2 * oldHashes.length];
    numbers = new int[2 * oldHashes.length];
    for (int i = 0; i < oldHashes.length; i++) {
      if (oldNumbers[i] != 0) {
        put(slot(oldHashes[i]), oldHashes[i], oldNumbers[i]);
      }
    }
  }
}
