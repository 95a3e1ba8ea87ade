/**
 * Requests of a DataFrame, answered by one engine in each executor; {@link
 * dev.yuzui.spark.YuzuiBatch} is where a program begins, {@link dev.yuzui.spark.YuzuiBatchMain}
 * where {@code spark-submit} does.
 */
package dev.yuzui.spark;
