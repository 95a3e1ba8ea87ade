package dev.yuzui.cache;

/**
 * Whose entries a cache file holds.
 *
 * @param name for messages
 * @param fingerprint of the weights and whatever else decides an entry's numbers; in ASCII
 */
public record ModelKey(String name, String fingerprint) {}
