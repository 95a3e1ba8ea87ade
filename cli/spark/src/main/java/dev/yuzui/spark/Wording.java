package dev.yuzui.spark;

import java.io.Serializable;
import java.util.function.UnaryOperator;

/** How messages name options; it travels to the executors. */
@FunctionalInterface
interface Wording extends UnaryOperator<String>, Serializable {}
