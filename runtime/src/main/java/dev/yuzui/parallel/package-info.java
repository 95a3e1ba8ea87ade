/** How tokens travel to the devices that hold their experts, and back. */
package dev.yuzui.parallel;
