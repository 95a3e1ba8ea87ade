/** {@code yuzui scale}: what a cluster would do, by a model of it. */
package dev.yuzui.cli.scale;
