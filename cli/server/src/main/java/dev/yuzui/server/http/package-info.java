/**
 * HTTP alone: connections with time limits, who may ask, bodies, answers that are streamed to
 * clients that may leave or stall. It knows nothing of models. A request is handled on a virtual
 * thread of its own; event loops only move bytes.
 */
package dev.yuzui.server.http;
