/**
 * Files of requests, a JSON object to a line, and their answers, a line for each: {@link
 * dev.yuzui.batch.Batch}. What is answered stays answered, whatever happens to the process.
 */
package dev.yuzui.batch;
