/** SVG: bars, lines, and the escapes of HTML. */
package dev.yuzui.cli.chart;
