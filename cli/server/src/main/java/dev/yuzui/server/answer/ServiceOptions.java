package dev.yuzui.server.answer;

import java.time.Duration;
import java.util.Optional;
import java.util.function.UnaryOperator;

/**
 * How requests are answered.
 *
 * @param maxQueue answers that may wait for a sequence; more are turned away
 * @param requestTimeout of each answer, waiting included; empty is none
 * @param ping of streams in which nothing happens
 * @param version of this program, for those who ask
 * @param wording of messages that name options as Java has them
 */
public record ServiceOptions(
    int maxQueue,
    Optional<Duration> requestTimeout,
    Duration ping,
    String version,
    UnaryOperator<String> wording) {}
