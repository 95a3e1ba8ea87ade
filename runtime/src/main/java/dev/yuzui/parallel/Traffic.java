package dev.yuzui.parallel;

/**
 * What a device exchanged with the others.
 *
 * @param bytesIn of rows that came, and of what was made of rows sent
 * @param bytesOut of rows sent, and of what was made of rows that came
 * @param expertTokens choices of experts that were computed here
 */
public record Traffic(long bytesIn, long bytesOut, long expertTokens) {}
