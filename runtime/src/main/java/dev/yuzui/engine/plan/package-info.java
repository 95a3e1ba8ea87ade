/**
 * What lies where: which devices there are, what each has room for, which layers and experts it
 * gets, and the largest context that fits.
 */
package dev.yuzui.engine.plan;
