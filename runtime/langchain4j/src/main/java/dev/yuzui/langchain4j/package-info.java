/** LangChain4j's chat models on an engine in the same process. */
package dev.yuzui.langchain4j;
