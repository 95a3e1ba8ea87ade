/** {@code yuzui batch}: a file of requests. */
package dev.yuzui.cli.batch;
