/** What a program says to an engine and hears from it: options, requests, answers, measurements. */
package dev.yuzui.engine.api;
