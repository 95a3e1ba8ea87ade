/** Writing checkpoints of other types, and measuring what their columns matter. */
package dev.yuzui.cli.convert;
