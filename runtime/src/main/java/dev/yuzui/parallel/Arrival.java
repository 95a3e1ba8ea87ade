package dev.yuzui.parallel;

/**
 * A rank at a meeting.
 *
 * @param positions in its sequence, of each row that is no padding
 * @param beside starts what runs meanwhile
 */
public record Arrival(Sent sent, int[] positions, Runnable beside) {}
