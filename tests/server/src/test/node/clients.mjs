// Clients that people have, against a server: node clients.mjs URL. A line for each check, "ok - …" or "not ok - …".
import Anthropic from '@anthropic-ai/sdk';
import {createOpenAICompatible} from '@ai-sdk/openai-compatible';
import {ChatOpenAI} from '@langchain/openai';
import {generateObject, generateText, jsonSchema, streamText, tool} from 'ai';
import {Ollama} from 'ollama';
import OpenAI from 'openai';

const url = process.argv[2].replace(/\/$/, '');
const model = 'demo';
const once = [{role: 'user', content: 'Once upon a time'}];
const dice = {
  type: 'object',
  properties: {dice: {type: 'integer', minimum: 1, maximum: 6}},
  required: ['dice'],
  additionalProperties: false,
};
const animal = {
  type: 'object',
  properties: {animal: {enum: ['wolf', 'fox']}},
  required: ['animal'],
  additionalProperties: false,
};
let failed = 0;

function expect(right, what) {
  if (!right) throw new Error(`not so: ${what}`);
}

async function check(name, body) {
  try {
    await body();
    console.log(`ok - ${name}`);
  } catch (e) {
    failed++;
    console.log(`not ok - ${name}: ${e.stack ?? e}`);
  }
}

async function rejects(promise) {
  try {
    await promise;
  } catch (e) {
    return e;
  }
  throw new Error('it was answered');
}

// ---- openai

const openai = new OpenAI({baseURL: `${url}/v1`, apiKey: 'any', maxRetries: 0});
const roll = {type: 'function', function: {name: 'roll', parameters: dice}};

await check('openai: lists the model', async () => {
  const list = await openai.models.list();
  expect(list.data[0].id === model, list.data[0].id);
});
await check('openai: chats', async () => {
  const made = await openai.chat.completions.create({model, messages: once, max_tokens: 8});
  expect(made.choices[0].message.content.length > 0, 'there is text');
  expect(made.usage.completion_tokens === 8, 'tokens are counted');
});
await check('openai: streams what it would say whole', async () => {
  const asked = {model, messages: once, max_tokens: 12, seed: 4};
  const whole = (await openai.chat.completions.create(asked)).choices[0].message.content;
  const stream = openai.chat.completions.stream({...asked, stream_options: {include_usage: true}});
  const final = await stream.finalChatCompletion();
  expect(final.choices[0].message.content === whole, final.choices[0].message.content);
  expect((await stream.totalUsage()).completion_tokens === 12, 'usage comes last');
});
await check('openai: calls a tool, streamed', async () => {
  const stream = openai.chat.completions.stream({
    model, messages: once, tools: [roll], tool_choice: 'required', parallel_tool_calls: false, max_tokens: 300,
  });
  const final = await stream.finalChatCompletion();
  const call = final.choices[0].message.tool_calls[0];
  const {dice: thrown} = JSON.parse(call.function.arguments);
  expect(call.function.name === 'roll' && thrown >= 1 && thrown <= 6, call.function.arguments);
  expect(final.choices[0].finish_reason === 'tool_calls', final.choices[0].finish_reason);
  const next = await openai.chat.completions.create({
    model,
    messages: [...once, final.choices[0].message, {role: 'tool', tool_call_id: call.id, content: 'six'}],
    tools: [roll], tool_choice: 'none', max_tokens: 4,
  });
  expect(next.choices[0].message.content.length > 0, 'it goes on');
});
await check('openai: calls several tools at once', async () => {
  const made = await openai.chat.completions.create({
    model, messages: once, tools: [roll, {type: 'function', function: {name: 'stop', parameters: {type: 'object', properties: {}}}}],
    tool_choice: 'required', max_tokens: 300, seed: 2,
  });
  const calls = made.choices[0].message.tool_calls;
  expect(calls.length > 1, `there are several: ${JSON.stringify(calls)}`);
  expect(new Set(calls.map(c => c.id)).size === calls.length, 'each has an id of its own');
});
await check('openai: holds an answer to a schema', async () => {
  const made = await openai.chat.completions.parse({
    model, messages: once, max_tokens: 100,
    response_format: {type: 'json_schema', json_schema: {name: 'answer', strict: true, schema: animal}},
  });
  const parsed = JSON.parse(made.choices[0].message.content);
  expect(['wolf', 'fox'].includes(parsed.animal), made.choices[0].message.content);
});
await check('openai: tells what was thought', async () => {
  const made = await openai.chat.completions.create({
    model, messages: once, max_tokens: 6, chat_template_kwargs: {thinking: true},
  });
  expect(made.choices[0].message.reasoning_content.length > 0, 'reasoning_content');
});
await check('openai: completes', async () => {
  const stream = await openai.completions.create({model, prompt: 'Once', max_tokens: 5, stream: true});
  let text = '';
  for await (const chunk of stream) text += chunk.choices[0]?.text ?? '';
  expect(text.length > 0, 'there is text');
});
await check('openai: responses, whole and streamed', async () => {
  const made = await openai.responses.create({model, input: 'Once upon a time', max_output_tokens: 6});
  expect(made.output_text.length > 0 && made.status === 'incomplete', made.status);
  const stream = openai.responses.stream({model, input: 'Once upon a time', max_output_tokens: 6});
  const final = await stream.finalResponse();
  expect(final.output_text.length > 0 && final.usage.output_tokens === 6, JSON.stringify(final.usage));
});
await check('openai: responses, of a model that thinks', async () => {
  const asked = {model, input: 'Once upon a time', max_output_tokens: 6, reasoning: {effort: 'low'}};
  const made = await openai.responses.create(asked);
  expect(made.output[0].type === 'reasoning' && made.output[0].content[0].text.length > 0, JSON.stringify(made.output));
  const final = await openai.responses.stream(asked).finalResponse();
  expect(final.output[0].content[0].text.length > 0, JSON.stringify(final.output));
});
await check('openai: an image is refused clearly', async () => {
  const e = await rejects(openai.chat.completions.create({
    model, messages: [{role: 'user', content: [{type: 'image_url', image_url: {url: 'data:image/png;base64,AA=='}}]}],
  }));
  expect(e instanceof OpenAI.BadRequestError && /sees nothing else/.test(e.message), e.message);
  expect(e.param === 'messages', e.param);
});
await check('openai: a context that is too long has its code', async () => {
  const e = await rejects(openai.chat.completions.create({
    model, messages: [{role: 'user', content: 'The king had three sons. '.repeat(600)}],
  }));
  expect(e.code === 'context_length_exceeded', e.code);
});
await check('openai: an abort ends the answer', async () => {
  const stream = await openai.chat.completions.create({model, messages: once, stream: true, max_tokens: 1900});
  for await (const chunk of stream) {
    if (chunk.choices[0]?.delta.content) break;
  }
  for (let i = 0; i < 100; i++) {
    const metrics = await (await fetch(`${url}/metrics`)).text();
    if (/vllm:num_requests_running\{[^}]*\} 0/.test(metrics)) return;
    await new Promise(resolve => setTimeout(resolve, 20));
  }
  throw new Error('it still runs');
});

// ---- ai (Vercel)

const provider = createOpenAICompatible({name: 'yuzui', baseURL: `${url}/v1`, supportsStructuredOutputs: true, includeUsage: true});

await check('ai: makes and streams text', async () => {
  const made = await generateText({model: provider(model), prompt: 'Once upon a time', maxOutputTokens: 8, maxRetries: 0});
  expect(made.text.length > 0 && made.usage.outputTokens === 8, JSON.stringify(made.usage));
  const stream = streamText({model: provider(model), prompt: 'Once upon a time', maxOutputTokens: 8, maxRetries: 0});
  let text = '';
  for await (const piece of stream.textStream) text += piece;
  expect(text.length > 0 && (await stream.finishReason) === 'length', await stream.finishReason);
});
await check('ai: calls a tool', async () => {
  const made = await generateText({
    model: provider(model), prompt: 'Roll', maxOutputTokens: 300, maxRetries: 0, toolChoice: 'required',
    tools: {roll: tool({inputSchema: jsonSchema(dice)})},
  });
  expect(made.toolCalls[0].toolName === 'roll' && made.toolCalls[0].input.dice >= 1, JSON.stringify(made.toolCalls));
});
await check('ai: makes an object', async () => {
  const made = await generateObject({
    model: provider(model), prompt: 'Which?', schema: jsonSchema(animal), maxOutputTokens: 100, maxRetries: 0,
  });
  expect(['wolf', 'fox'].includes(made.object.animal), JSON.stringify(made.object));
});

// ---- Anthropic

const anthropic = new Anthropic({baseURL: url, apiKey: 'any', maxRetries: 0});

await check('anthropic: chats and streams the same', async () => {
  const asked = {model, max_tokens: 8, top_k: 1, messages: once};
  const made = await anthropic.messages.create(asked);
  expect(made.content[0].type === 'text' && made.stop_reason === 'max_tokens', made.stop_reason);
  const final = await anthropic.messages.stream(asked).finalMessage();
  expect(final.content[0].text === made.content[0].text, final.content[0].text);
  expect(final.usage.output_tokens === 8, JSON.stringify(final.usage));
});
await check('anthropic: uses a tool', async () => {
  const tools = [{name: 'roll', input_schema: dice}];
  const asked = {model, max_tokens: 300, messages: once, tools, tool_choice: {type: 'any', disable_parallel_tool_use: true}};
  const final = await anthropic.messages.stream(asked).finalMessage();
  const use = final.content.find(block => block.type === 'tool_use');
  expect(final.stop_reason === 'tool_use' && use.input.dice >= 1, JSON.stringify(final.content));
  const next = await anthropic.messages.create({
    model, max_tokens: 4, tools,
    messages: [...once, {role: 'assistant', content: final.content},
      {role: 'user', content: [{type: 'tool_result', tool_use_id: use.id, content: 'six'}]}],
  });
  expect(next.type === 'message', next.type);
});
await check('anthropic: counts tokens and names errors', async () => {
  const count = await anthropic.messages.countTokens({model, messages: once});
  expect(count.input_tokens > 2, count.input_tokens);
  const e = await rejects(anthropic.messages.create({model, messages: once}));
  expect(e instanceof Anthropic.BadRequestError, e.message);
});

// ---- ollama

const ollama = new Ollama({host: url});

await check('ollama: lists, chats, streams, generates', async () => {
  expect((await ollama.list()).models[0].name === model, 'list');
  const options = {num_predict: 6, top_k: 1};
  const made = await ollama.chat({model, messages: once, options});
  let text = '';
  for await (const part of await ollama.chat({model, messages: once, options, stream: true})) text += part.message.content;
  expect(text === made.message.content && text.length > 0, text);
  const generated = await ollama.generate({model, prompt: 'Once', options, format: {enum: ['ox']}});
  expect(generated.response === '"ox"', generated.response);
});

// ---- LangChain

const langchain = new ChatOpenAI({model, apiKey: 'any', maxTokens: 8, maxRetries: 0, configuration: {baseURL: `${url}/v1`}});

await check('langchain: invokes, streams, binds tools', async () => {
  expect((await langchain.invoke('Once upon a time')).content.length > 0, 'invoke');
  let text = '';
  for await (const chunk of await langchain.stream('Once upon a time')) text += chunk.content;
  expect(text.length > 0, 'stream');
  const bound = new ChatOpenAI({model, apiKey: 'any', maxTokens: 300, maxRetries: 0, configuration: {baseURL: `${url}/v1`}})
      .bindTools([roll], {tool_choice: 'required', parallel_tool_calls: false});
  const called = await bound.invoke('Roll');
  expect(called.tool_calls[0].name === 'roll', JSON.stringify(called.tool_calls));
});
await check('langchain: retries what is told to come again', async () => {
  let asked = 0;
  const counting = new ChatOpenAI({
    model, apiKey: 'any', maxTokens: 2, maxRetries: 1,
    configuration: {
      baseURL: `${url}/v1`,
      fetch: (to, how) => asked++ === 0
        ? Promise.resolve(new Response('{"error":{"message":"busy"}}', {status: 429, headers: {'retry-after': '0'}}))
        : fetch(to, how),
    },
  });
  await counting.invoke('Once');
  expect(asked === 2, asked);
});

process.exitCode = failed === 0 ? 0 : 1;
